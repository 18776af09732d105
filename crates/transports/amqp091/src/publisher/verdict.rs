//! What becomes of an event after the broker's word?

use std::time::Duration;

use lapin::Confirmation;
use photinus_contract::{Outcome, Report};

use crate::options::Ack;

/// What a confirm comes to.
pub(super) struct Judged {
    /// What becomes of the event; `None` if the application has the last word.
    pub(super) outcome: Option<Outcome>,
    /// Why the broker did not take it.
    pub(super) refusal: Option<String>,
    pub(super) report: Report,
}

/// A confirm alone does not mean that the message is anywhere: what no queue gets is returned first, and confirmed then.
pub(super) fn judge(confirmation: Confirmation, ack: Ack, duration: Duration) -> Judged {
    let mut report = Report::default();
    report.duration = Some(duration);
    let is_ack = confirmation.is_ack();
    let refusal = match confirmation.take_message() {
        Some(returned) => {
            report.status = Some(returned.reply_code);
            let delivery = &returned.delivery;
            Some(format!(
                "the broker returned it: {} {} (exchange '{}', routing key '{}')",
                returned.reply_code, returned.reply_text, delivery.exchange, delivery.routing_key
            ))
        }
        None if is_ack => None,
        None => Some("the broker refused it (basic.nack), as a full queue does".to_owned()),
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
    fn only_what_the_broker_keeps_is_acknowledged() {
        let ms = Duration::from_millis(1);
        let judged = judge(Confirmation::Ack(None), Ack::Broker, ms);
        assert!(matches!(judged.outcome, Some(Outcome::Acknowledge { .. })));
        let judged = judge(Confirmation::Ack(None), Ack::Application, ms);
        assert!(judged.outcome.is_none() && judged.refusal.is_none());
        for ack in [Ack::Broker, Ack::Application] {
            let judged = judge(Confirmation::Nack(None), ack, ms);
            let outcome = judged.outcome;
            assert!(matches!(
                outcome,
                Some(Outcome::Retry { counted: true, .. })
            ));
        }
    }
}
