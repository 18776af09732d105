//! What does an application's answer mean that comes in words?
//!
//! Where an application answers with a message of its own, or with the headers of one: an outcome, and for one that is
//! no acknowledgement what to do, how long to wait, and why.

use std::time::Duration;

use crate::delivery::Outcome;
use crate::time::{DurationText, Timestamp};

/// Names the outcome: `ack`, which is also what an answer without it means, or `nack`.
pub const OUTCOME: &str = "photinus-outcome";
/// What to do after a `nack`: `retry`, which is the default, `park`, `skip` or `pause`.
pub const ACTION: &str = "photinus-action";
/// How long to wait, for `retry` and `pause`: a duration such as `30s`.
pub const DELAY: &str = "photinus-delay";
/// Why, for people.
pub const REASON: &str = "photinus-reason";

/// Longest reason that is taken, in characters.
pub const REASON_MAX: usize = 256;
/// Longest wait that is taken. What is longer is this long.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The words of an answer; empty where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words<'a> {
    /// [`OUTCOME`].
    pub outcome: &'a str,
    /// [`ACTION`].
    pub action: &'a str,
    /// [`DELAY`].
    pub delay: &'a str,
    /// [`REASON`].
    pub reason: &'a str,
}

impl<'a> Words<'a> {
    /// Takes in a header, if it is one of these, in any case.
    pub fn hear(&mut self, name: &str, value: &'a str) {
        for (known, place) in [
            (OUTCOME, &mut self.outcome),
            (ACTION, &mut self.action),
            (DELAY, &mut self.delay),
            (REASON, &mut self.reason),
        ] {
            if name.eq_ignore_ascii_case(known) {
                *place = value.trim();
            }
        }
    }

    /// What they mean; `None` is an acknowledgement. Words that mean nothing are a retry that counts: they acknowledge
    /// nothing, and their reason says what was not understood.
    pub fn nack(&self, now: Timestamp) -> Option<Outcome> {
        let outcome = match self.outcome.to_ascii_lowercase().as_str() {
            "" | "ack" => return None,
            "nack" => self.wait().and_then(|delay| {
                let reason = self.given_reason();
                action(self.action, delay, reason, now)
            }),
            _ => None,
        };
        Some(outcome.unwrap_or_else(|| self.not_understood()))
    }

    fn given_reason(&self) -> String {
        match self.reason {
            "" => "the application asked for it".to_owned(),
            given => given.chars().take(REASON_MAX).collect(),
        }
    }

    /// `None` if the text is no duration.
    fn wait(&self) -> Option<Option<Duration>> {
        match self.delay {
            "" => Some(None),
            text => {
                let delay = text.parse::<DurationText>().ok()?;
                Some(Some(delay.value().min(WAIT_MAX)))
            }
        }
    }

    fn not_understood(&self) -> Outcome {
        let shown = |text: &str| text.chars().take(32).collect::<String>();
        Outcome::retry(format!(
            "the application's answer is not understood: {OUTCOME} '{}', {ACTION} '{}', {DELAY} '{}'",
            shown(self.outcome),
            shown(self.action),
            shown(self.delay),
        ))
    }
}

/// What is to become of an event after a word for it; `None` if there is no such word. No word is a retry.
pub fn action(
    word: &str,
    delay: Option<Duration>,
    reason: String,
    now: Timestamp,
) -> Option<Outcome> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "" | "retry" => Outcome::Retry {
            delay,
            counted: true,
            reason,
        },
        "park" => Outcome::Park { reason },
        "skip" => Outcome::Skip { reason },
        "pause" => Outcome::Pause {
            until: delay.map(|delay| later(now, delay)),
            reason,
        },
        _ => return None,
    })
}

fn later(now: Timestamp, delay: Duration) -> Timestamp {
    let nanos = i64::try_from(delay.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_nanos(now.as_nanos().saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_an_outcome() {
        let asked = "the application asked for it";
        for (words, expected) in [
            (&[][..], "None".to_owned()),
            (&[(OUTCOME, "ACK"), (ACTION, "park")], "None".to_owned()),
            (
                &[(OUTCOME, " nack ")],
                format!("Some(Retry {{ delay: None, counted: true, reason: \"{asked}\" }})"),
            ),
            (
                &[(OUTCOME, "nack"), (DELAY, "1m"), ("Photinus-Reason", "x")],
                "Some(Retry { delay: Some(60s), counted: true, reason: \"x\" })".to_owned(),
            ),
            (
                &[(OUTCOME, "nack"), (ACTION, "Park")],
                format!("Some(Park {{ reason: \"{asked}\" }})"),
            ),
            (
                &[(OUTCOME, "nack"), (ACTION, "skip"), ("other", "x")],
                format!("Some(Skip {{ reason: \"{asked}\" }})"),
            ),
            (
                &[(OUTCOME, "nack"), (ACTION, "pause"), (DELAY, "100h")],
                format!("Some(Pause {{ until: Some(1970-01-02T00:00:00Z), reason: \"{asked}\" }})"),
            ),
        ] {
            let mut given = Words::default();
            for (name, value) in words {
                given.hear(name, value);
            }
            let outcome = given.nack(Timestamp::from_nanos(0));
            assert_eq!(format!("{outcome:?}"), expected, "{words:?}");
        }
    }

    #[test]
    fn what_is_not_understood_acknowledges_nothing() {
        for words in [
            [(OUTCOME, "maybe"), (ACTION, "")],
            [(OUTCOME, "nack"), (ACTION, "explode")],
            [(OUTCOME, "nack"), (DELAY, "soon")],
        ] {
            let mut given = Words::default();
            for (name, value) in words {
                given.hear(name, value);
            }
            let outcome = given.nack(Timestamp::from_nanos(0));
            let is_retry = matches!(&outcome, Some(Outcome::Retry { counted: true, reason, .. }) if reason.contains("not understood"));
            assert!(is_retry, "{words:?}: {outcome:?}");
        }
    }
}
