use std::sync::atomic::{AtomicUsize, Ordering};

use uuid::Uuid;

use super::*;
use crate::BoxFuture;
use crate::event::Event;
use crate::filter::SubscriptionFilter;
use crate::id::Sequence;
use crate::message::{MessageInput, MessageKind};
use crate::options::SubscriptionOptions;
use crate::record::Record;
use crate::samples;
use crate::transport::{Matcher, Published};

/// An engine that writes down what it is told.
#[derive(Default)]
struct Engine(Mutex<Vec<String>>);

impl Engine {
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Callbacks for Engine {
    fn register_connection(&self, _: &ConnectionId, _: Matcher) -> Result<(), CodedError> {
        Ok(())
    }

    fn ephemeral_subscription(
        &self,
        _: &ConnectionId,
        _: &str,
        _: SubscriptionFilter,
        _: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        Err(CodedError::internal("not here"))
    }

    fn connection_closed(&self, _: &ConnectionId) {}

    fn connection_state(&self, _: &ConnectionId, scope: Scope, state: ConnectionState) {
        let scope = match scope {
            Scope::All => "all".to_owned(),
            Scope::Subscription(id) => id.0.as_u128().to_string(),
        };
        match state {
            ConnectionState::Down { reason } => self.note(format!("{scope} down: {reason}")),
            state => self.note(format!("{scope} {state:?}")),
        }
    }

    fn respond(&self, _: &ConnectionId, response: Response) {
        let what = match response.outcome {
            Outcome::Acknowledge { .. } => "ack",
            Outcome::Retry { counted: true, .. } => "failed",
            Outcome::Retry { .. } => "again",
            _ => "other",
        };
        self.note(format!("{} {what}", response.delivery));
    }

    fn publish(
        &self,
        _: &str,
        _: MessageKind,
        _: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        Box::pin(std::future::ready(Err(CodedError::internal("not here"))))
    }

    fn namespace_exists(&self, _: &str) -> bool {
        true
    }
}

struct Bench {
    engine: Arc<Engine>,
    outboxes: Outboxes<&'static str>,
    woken: Arc<AtomicUsize>,
}

impl Bench {
    /// With a connection that is up.
    fn new() -> Self {
        let (engine, woken) = (Arc::new(Engine::default()), Arc::<AtomicUsize>::default());
        let count = woken.clone();
        let wake = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let outboxes = Outboxes::new(ConnectionId::new("c"), engine.clone(), wake);
        outboxes.up();
        engine.heard();
        Self {
            engine,
            outboxes,
            woken,
        }
    }

    /// Hands over the events of these sequences as deliveries of these numbers.
    fn hand_over(&self, subscription: &Arc<Subscription>, events: &[(i64, u64)]) -> HandOver {
        let items = events.iter().map(|(sequence, number)| {
            let (event, _) = samples::event("t", "", "5");
            let record = Record::new(Sequence(*sequence), event.record().content.clone());
            let event = Event::new(Arc::new(record), 0).unwrap();
            BatchItem::new(DeliveryId::new(1, *number), 1, event)
        });
        let connection = self.outboxes.connection().clone();
        let mut run = Run::new(connection, subscription.clone(), items.collect());
        self.outboxes.hand_over(&mut run, |_| Ok("there"))
    }

    /// The numbers of what is sent now.
    fn sent(&self) -> Vec<u64> {
        let next = std::iter::from_fn(|| self.outboxes.next());
        next.map(|outgoing| outgoing.item.id.number()).collect()
    }

    fn settle(&self, subscription: &Subscription, number: u64, outcome: Outcome) -> Vec<String> {
        self.outboxes.settle(vec![Settled {
            subscription: subscription.id,
            delivery: DeliveryId::new(1, number),
            outcome,
            report: None,
        }]);
        self.engine.heard()
    }
}

fn subscription(id: u128) -> Arc<Subscription> {
    keyed(id, None)
}

fn keyed(id: u128, key: Option<&str>) -> Arc<Subscription> {
    let options = SubscriptionOptions {
        ordering_key: key.map(Into::into),
        ..SubscriptionOptions::default()
    };
    let mut subscription = samples::subscription("x", options);
    subscription.id = SubscriptionId(Uuid::from_u128(id));
    Arc::new(subscription)
}

#[test]
fn events_are_sent_in_order_and_each_subscription_in_turn() {
    let bench = Bench::new();
    let (one, two) = (subscription(1), subscription(2));
    assert_eq!(
        bench.hand_over(&one, &[(1, 1), (2, 2), (3, 3)]),
        HandOver::Ok
    );
    assert_eq!(bench.hand_over(&two, &[(1, 11), (2, 12)]), HandOver::Ok);
    assert_eq!(bench.woken.load(Ordering::Relaxed), 2);
    assert_eq!(bench.outboxes.load(), (5, 2));
    assert_eq!(bench.sent(), [1, 11, 2, 12, 3]);
    assert_eq!(bench.settle(&one, 1, Outcome::ack()), ["1-1 ack"]);
    assert!(
        bench
            .outboxes
            .under_way(one.id, DeliveryId::new(1, 1))
            .is_none()
    );
    assert!(
        bench
            .outboxes
            .under_way(one.id, DeliveryId::new(1, 2))
            .is_some()
    );
}

#[test]
fn nothing_overtakes_what_goes_back() {
    let bench = Bench::new();
    let one = subscription(1);
    assert_eq!(bench.hand_over(&one, &[(1, 1), (2, 2)]), HandOver::Ok);
    assert_eq!(bench.sent(), [1, 2]);
    assert_eq!(bench.hand_over(&one, &[(3, 3)]), HandOver::Ok);
    // The second goes back: the third, which waits, was not sent, and neither is what still comes in.
    let heard = bench.settle(&one, 2, Outcome::retry("no"));
    assert_eq!(heard, ["1-2 failed", "1-3 again"]);
    assert_eq!(bench.hand_over(&one, &[(4, 4)]), HandOver::Ok);
    assert_eq!(bench.engine.heard(), ["1-4 again"]);
    assert!(bench.sent().is_empty());
    // The engine begins anew with the first, whose answer is still out.
    assert_eq!(
        bench.hand_over(&one, &[(1, 5), (2, 6), (3, 7)]),
        HandOver::Ok
    );
    assert_eq!(bench.sent(), [5, 6, 7]);
    assert!(bench.engine.heard().is_empty());
}

#[test]
fn what_has_keys_goes_on_beside_what_goes_back() {
    let bench = Bench::new();
    let one = keyed(1, Some("topic"));
    assert_eq!(bench.hand_over(&one, &[(1, 1), (2, 2)]), HandOver::Ok);
    assert_eq!(bench.outboxes.next().unwrap().item.id.number(), 1);
    assert_eq!(bench.settle(&one, 1, Outcome::retry("no")), ["1-1 failed"]);
    assert_eq!(bench.hand_over(&one, &[(3, 3)]), HandOver::Ok);
    assert_eq!(bench.sent(), [2, 3]);
}

#[test]
fn a_lost_connection_gives_everything_back_in_order() {
    let bench = Bench::new();
    let one = subscription(1);
    assert_eq!(
        bench.hand_over(&one, &[(1, 1), (2, 2), (3, 3)]),
        HandOver::Ok
    );
    for _ in 0..2 {
        bench.outboxes.next().unwrap();
    }
    bench.outboxes.lost("gone");
    assert_eq!(
        bench.engine.heard(),
        ["1-1 again", "1-2 again", "1-3 again", "all down: gone"]
    );
    assert!(bench.sent().is_empty());
    let busy = HandOver::Busy(Wait::Connection);
    assert_eq!(bench.hand_over(&one, &[(4, 4)]), busy);
    bench.outboxes.up();
    assert_eq!(bench.engine.heard(), ["all Up"]);
    // The engine had not heard of it yet.
    assert_eq!(bench.hand_over(&one, &[(4, 4)]), HandOver::Ok);
    assert_eq!(bench.engine.heard(), ["1-4 again"]);
    assert_eq!(bench.hand_over(&one, &[(1, 5)]), HandOver::Ok);
    assert_eq!(bench.sent(), [5]);
}

#[test]
fn a_subscription_is_lost_alone() {
    let bench = Bench::new();
    let (one, two) = (subscription(1), subscription(2));
    assert_eq!(bench.hand_over(&one, &[(1, 1)]), HandOver::Ok);
    bench.outboxes.lost_one(one.id, "no exchange");
    assert_eq!(bench.engine.heard(), ["1-1 again", "1 down: no exchange"]);
    let busy = HandOver::Busy(Wait::Subscription);
    assert_eq!(bench.hand_over(&one, &[(1, 2)]), busy);
    assert_eq!(bench.hand_over(&two, &[(1, 11)]), HandOver::Ok);
    assert_eq!(bench.sent(), [11]);
    bench.outboxes.up_again(one.id);
    assert_eq!(bench.engine.heard(), ["1 Up"]);
    assert_eq!(bench.hand_over(&one, &[(1, 3)]), HandOver::Ok);
    // It was changed: it may lead elsewhere.
    bench.outboxes.lost_one(one.id, "no exchange");
    bench.engine.heard();
    let changed = subscription(1);
    assert_eq!(bench.hand_over(&changed, &[(1, 4)]), HandOver::Ok);
    assert_eq!(bench.sent(), [4]);
}

#[test]
fn what_is_voided_is_not_sent_and_its_answer_is_late() {
    let bench = Bench::new();
    let one = subscription(1);
    assert_eq!(
        bench.hand_over(&one, &[(1, 1), (2, 2), (3, 3)]),
        HandOver::Ok
    );
    bench.outboxes.next().unwrap();
    for number in [3, 2, 1] {
        bench.outboxes.void(one.id, DeliveryId::new(1, number));
    }
    assert!(bench.sent().is_empty());
    // The engine is told all the same, and counts it; nothing else goes back for it.
    assert_eq!(bench.settle(&one, 1, Outcome::retry("no")), ["1-1 failed"]);
    assert_eq!(bench.hand_over(&one, &[(1, 4)]), HandOver::Ok);
    assert_eq!(bench.sent(), [4]);
}

#[test]
fn what_is_idle_is_forgotten_and_what_is_closed_takes_nothing() {
    let bench = Bench::new();
    let one = subscription(1);
    assert_eq!(bench.hand_over(&one, &[(1, 1)]), HandOver::Ok);
    assert_eq!(bench.sent(), [1]);
    assert_eq!(bench.outboxes.sweep(), []);
    assert_eq!(bench.outboxes.sweep(), []);
    bench.settle(&one, 1, Outcome::ack());
    assert_eq!(bench.outboxes.sweep(), []);
    assert_eq!(bench.outboxes.sweep(), [one.id]);
    bench.outboxes.close();
    assert_eq!(bench.hand_over(&one, &[(2, 2)]), HandOver::Closed);
}
