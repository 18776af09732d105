//! What becomes of an event after the broker's word?

use std::time::Duration;

use photinus_contract::{Outcome, Report};

use crate::mapping::NO_SUBSCRIBERS;
use crate::options::{Ack, NoSubscribers};

/// From here on a reason code says that a message was not taken.
const FAILURES: u8 = 0x80;

/// What is known of a message.
pub(super) enum Said {
    /// The kernel has taken it, and the broker says nothing.
    Written,
    /// The broker's reason code, and what it says about it.
    Code(u8, String),
}

/// What that comes to.
pub(super) struct Judged {
    /// What becomes of the event; `None` if the application has the last word.
    pub(super) outcome: Option<Outcome>,
    /// Why the broker did not take it.
    pub(super) refusal: Option<String>,
    pub(super) report: Report,
}

pub(super) fn judge(
    said: Said,
    ack: Ack,
    no_subscribers: NoSubscribers,
    duration: Duration,
) -> Judged {
    let mut report = Report::default();
    report.duration = Some(duration);
    let refusal = match said {
        Said::Written => None,
        Said::Code(NO_SUBSCRIBERS, _) => {
            report.status = Some(u16::from(NO_SUBSCRIBERS));
            // Whoever is to answer has not seen it.
            let is_refused = no_subscribers == NoSubscribers::Retry || ack == Ack::Application;
            is_refused.then(|| "nobody has subscribed to its topic".to_owned())
        }
        Said::Code(code, reason) => {
            report.status = Some(u16::from(code));
            (code >= FAILURES).then(|| format!("the broker refused it: {reason}"))
        }
    };
    report.excerpt.clone_from(&refusal);
    let outcome = match (&refusal, ack) {
        (Some(reason), _) => Some(Outcome::retry(reason.clone())),
        (None, Ack::Broker) => Some(Outcome::ack()),
        (None, Ack::Application) => None,
    };
    Judged {
        outcome,
        refusal,
        report,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_reason_is_an_acknowledgement() {
        use Ack::{Application, Broker};
        use NoSubscribers::{Deliver, Retry};
        let code = |code| Said::Code(code, "why".to_owned());
        for (said, ack, none, expected) in [
            (Said::Written, Broker, Deliver, "ack"),
            (code(0), Broker, Deliver, "ack"),
            (code(0), Application, Deliver, "wait"),
            (code(0x10), Broker, Deliver, "ack"),
            (code(0x10), Broker, Retry, "retry"),
            (code(0x10), Application, Deliver, "retry"),
            (code(0x87), Broker, Deliver, "retry"),
            (code(0x97), Application, Deliver, "retry"),
        ] {
            let judged = judge(said, ack, none, Duration::ZERO);
            let outcome = match judged.outcome {
                None => "wait",
                Some(Outcome::Acknowledge { .. }) => "ack",
                Some(Outcome::Retry { counted: true, .. }) => "retry",
                Some(_) => "other",
            };
            assert_eq!(outcome, expected);
            assert_eq!(judged.refusal.is_some(), expected == "retry");
        }
    }
}
