//! What becomes of an event after an answer, or without one?

use photinus_contract::{Outcome, Timestamp};
use serde_json::value::RawValue;

use crate::answer::{Answer, no_answer};
use crate::options::ConfirmationMode;
use crate::receiver::Word;
use crate::settings::Settings;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// No request could be made of the event: the receiver has no part in it.
    NotSent(String),
    /// The receiver could not be asked, or did not answer.
    Failed(String),
}

/// What becomes of an event.
#[derive(Debug)]
pub(crate) enum Decision {
    Settle(Outcome),
    /// It is acknowledged, and this is the value of the reply.
    Reply(Box<RawValue>),
}

/// What an attempt comes to.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) decision: Decision,
    /// What it says about the receiver.
    pub(crate) word: Word,
}

/// Judges the attempt of this number.
pub(crate) fn judge(
    settings: &Settings,
    attempt: u32,
    result: &Result<Answer, NoAnswer>,
    now: Timestamp,
) -> Judged {
    let word = word(settings, result, now);
    let decision = match result {
        Ok(answer) => answered(settings, attempt, answer, now),
        Err(NoAnswer::NotSent(reason) | NoAnswer::Failed(reason)) => {
            unanswered(settings, attempt, reason)
        }
    };
    Judged { decision, word }
}

fn answered(settings: &Settings, attempt: u32, answer: &Answer, now: Timestamp) -> Decision {
    let wish = answer.wish(now);
    if let Some(outcome) = wish.nack {
        return Decision::Settle(outcome);
    }
    let is_last = attempt >= settings.attempts_max;
    let retry = || {
        Decision::Settle(Outcome::Retry {
            delay: wish.retry_after,
            counted: true,
            reason: format!("the receiver answered {}", answer.status),
        })
    };
    match (&settings.reply, settings.mode) {
        _ if answer.status.is_success() && settings.reply.is_none() => {
            Decision::Settle(Outcome::ack())
        }
        (Some(_), _) if !answer.status.is_success() && !is_last => retry(),
        (Some(_), _) => match answer.to_reply(settings.json) {
            Ok(value) => Decision::Reply(value),
            Err(error) if is_last || answer.status.is_success() => {
                Decision::Reply(no_answer(&error))
            }
            Err(_) => retry(),
        },
        (None, _) if answer.status.as_u16() == 410 => Decision::Settle(Outcome::Pause {
            until: None,
            reason: "the receiver answered 410 Gone: it wants no more events".to_owned(),
        }),
        (None, ConfirmationMode::Assured) => retry(),
        (None, _) if is_last => Decision::Settle(Outcome::ack()),
        (None, _) => retry(),
    }
}

fn unanswered(settings: &Settings, attempt: u32, reason: &str) -> Decision {
    let is_last = attempt >= settings.attempts_max;
    match (&settings.reply, settings.mode) {
        (Some(_), _) if is_last => Decision::Reply(no_answer(reason)),
        (None, ConfirmationMode::Besteffort) if is_last => Decision::Settle(Outcome::ack()),
        _ => Decision::Settle(Outcome::retry(reason)),
    }
}

fn word(settings: &Settings, result: &Result<Answer, NoAnswer>, now: Timestamp) -> Word {
    let answer = match result {
        Ok(answer) => answer,
        Err(NoAnswer::NotSent(_)) => return Word::Nothing,
        Err(NoAnswer::Failed(reason)) => return Word::Failing(reason.clone()),
    };
    let reason = format!("it answered {}", answer.status);
    match answer.status.as_u16() {
        429 | 503 => Word::Overloaded {
            retry_after: answer.wish(now).retry_after,
            reason,
        },
        // Whoever wants the answer has one.
        408 | 500.. if settings.reply.is_none() => Word::Failing(reason),
        _ => Word::Well,
    }
}

#[cfg(test)]
mod tests;
