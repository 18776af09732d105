//! What does a receiver say to a test?

use std::sync::Arc;

use http::HeaderMap;
use photinus_contract::delivery::BatchItem;
use photinus_contract::transport::{Exchange, ExchangeSide};
use photinus_contract::{CodedError, Data, DeliveryId, Event, Outcome, Subscription};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::clock;
use crate::hub::Hub;
use crate::request::Composer;
use crate::sender::{Events, Kept, exchange};
use crate::verdict::{Decision, NoAnswer, judge};

/// How much of a body is shown, in bytes.
const SHOWN_BYTES: usize = 64 << 10;

/// Sends one event, whatever the receiver did before, and shows what was said. The receiver is told that it is a test.
pub(crate) async fn tested(
    hub: Arc<Hub>,
    subscription: Arc<Subscription>,
    event: Event,
    data: Option<Arc<[Data]>>,
) -> Result<Exchange, CodedError> {
    let route = hub.route(subscription.clone())?;
    let mut item = BatchItem::new(DeliveryId::new(0, 0), 1, event);
    item.data = data;
    let events = match subscription.options.is_batch() {
        true => Events::Batch(vec![item]),
        false => Events::One(item),
    };
    let composer = Composer {
        subscription: &subscription,
        settings: &route.settings,
        now: clock::now(),
        is_test: true,
    };
    let not_sent = |reason: String| {
        CodedError::bad_request("PH00448", format!("Nothing can be sent: {reason}"))
    };
    let prepared = events.request(&composer).map_err(not_sent)?;
    let Some(prepared) = prepared else {
        let text = "the event's message is a reply, and this subscription replies itself";
        return Err(not_sent(text.to_owned()));
    };
    let request = &prepared.request;
    let line = format!("{} {}", request.method(), request.uri());
    let request = side(line, request.headers(), request.body());
    let mut shown = Exchange::new(request);
    let begun = Instant::now();
    let result = exchange(&route, prepared, Kept::of(&route, &hub, SHOWN_BYTES), || {}).await;
    shown.duration = begun.elapsed();
    if let Ok(answer) = &result {
        shown.response = Some(answered(answer));
    }
    let decision = judge(&route.settings, 1, &result, clock::now()).decision;
    (shown.settled, shown.outcome) = outcome(&decision);
    if let Err(NoAnswer::NotSent(reason) | NoAnswer::Failed(reason)) = &result {
        shown.outcome = format!("{}: {reason}", shown.outcome);
    }
    Ok(shown)
}

fn answered(answer: &Answer) -> ExchangeSide {
    side(answer.status.to_string(), &answer.headers, &answer.body)
}

fn side(line: String, headers: &HeaderMap, body: &[u8]) -> ExchangeSide {
    let mut side = ExchangeSide::new(line);
    let headers = headers.iter().map(|(name, value)| {
        let value = match value.is_sensitive() {
            true => photinus_contract::secrets::MASK.into(),
            false => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        };
        (name.to_string(), value)
    });
    side.headers = headers.collect();
    side.body = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]).into_owned();
    side
}

/// What would become of the event, for people.
fn outcome(decision: &Decision) -> (bool, String) {
    let (settled, text) = match decision {
        Decision::Reply(_) => (
            true,
            "it would be acknowledged, with the answer as the reply".into(),
        ),
        Decision::Settle(Outcome::Acknowledge { .. }) => (true, "it would be acknowledged".into()),
        Decision::Settle(Outcome::Retry { reason, .. }) => {
            (false, format!("it would be tried again: {reason}"))
        }
        Decision::Settle(Outcome::Park { reason }) => {
            (true, format!("it would be parked: {reason}"))
        }
        Decision::Settle(Outcome::Skip { reason }) => {
            (true, format!("it would be skipped: {reason}"))
        }
        Decision::Settle(Outcome::Pause { reason, .. }) => {
            (false, format!("the subscription would be paused: {reason}"))
        }
        Decision::Settle(other) => (false, format!("{other:?}")),
    };
    (settled, text)
}
