//! How do deliveries reach a transport, and what if it does not take them?

use photinus_contract::{Batch, BatchItem, ConnectionId, DeliveryId, HandOver, Run};
use photinus_dispatch::{Action, Input, Instant, Item, Taken};
use tracing::{debug, warn};

use super::Spec;
use super::active::Running;
use super::feed::Payload;
use crate::pause::shortened;

/// How many deliveries are handed over in one call. The application reads the first while the next are made.
const RUN_MAX: usize = 256;

/// Hands over a delivery, and with it those that follow: what the transport has to find, to lock and to wake is then
/// found, locked and woken once.
pub(super) fn hand_over_run(
    spec: &Spec,
    running: &mut Running,
    now: Instant,
    connection: ConnectionId,
    first: Item<Payload>,
) {
    let Running {
        dispatcher, epoch, ..
    } = running;
    let mut numbers = first.number..=first.number;
    let mut deliveries = vec![batch_item(*epoch, first)];
    // Nothing but deliveries follows a delivery while the dispatcher is told nothing, and all to the same.
    while deliveries.len() < RUN_MAX
        && let Some(Action::Deliver { item, .. }) = dispatcher.poll_action(now)
    {
        numbers = *numbers.start()..=item.number;
        deliveries.push(batch_item(*epoch, item));
    }
    let count = deliveries.len();
    let mut run = Run::new(connection, spec.subscription.clone(), deliveries);
    let said = match spec.transport.deliver_run(&mut run) {
        HandOver::Ok if run.begun() < count => {
            warn!(transport = spec.transport.name(), "it left deliveries out");
            HandOver::Failed("the transport left deliveries out".to_owned())
        }
        said => said,
    };
    let taken = match said {
        HandOver::Ok => count,
        _ => run.begun().saturating_sub(1),
    };
    if taken > 0 {
        spec.metrics.handed_over(&HandOver::Ok, taken);
        running.handed.push(numbers.clone(), now);
    }
    if taken < count {
        spec.metrics.handed_over(&said, 1);
        // The numbers of deliveries that follow each other follow each other.
        let number = numbers.start() + taken as u64;
        refused(spec, running, now, number, said);
    }
}

pub(super) fn hand_over_batch(
    spec: &Spec,
    running: &mut Running,
    now: Instant,
    connection: ConnectionId,
    number: u64,
    items: Vec<Item<Payload>>,
) {
    let events = items.len();
    let epoch = running.epoch;
    let items = items
        .into_iter()
        .map(|item| batch_item(epoch, item))
        .collect();
    let batch = DeliveryId::new(epoch, number);
    let batch = Batch::new(connection, spec.subscription.clone(), batch, items);
    let said = spec.transport.deliver_batch(batch);
    spec.metrics.handed_over(&said, events);
    match said {
        HandOver::Ok => {
            spec.metrics.batch_taken();
            running.handed.push(number..=number, now);
        }
        said => refused(spec, running, now, number, said),
    }
}

/// A delivery was not taken, and neither were those of the same run that come after it.
fn refused(spec: &Spec, running: &mut Running, now: Instant, number: u64, said: HandOver) {
    let subscription = spec.subscription.id;
    let taken = match said {
        HandOver::Busy(_) => Taken::Busy,
        HandOver::Closed => Taken::Closed,
        HandOver::Failed(reason) => {
            debug!(%subscription, reason, "a hand-over failed");
            running.trouble = Some(shortened(&reason).into());
            Taken::Failed {
                reason: shortened(&reason).to_owned(),
            }
        }
        other => {
            warn!(%subscription, ?other, "a hand-over ended in an unknown way");
            let reason = "the hand-over ended in an unknown way".to_owned();
            Taken::Failed { reason }
        }
    };
    running
        .dispatcher
        .handle(now, Input::HandedOver { number, taken });
}

fn batch_item(epoch: u64, item: Item<Payload>) -> BatchItem {
    let delivery = DeliveryId::new(epoch, item.number);
    let mut batch_item = BatchItem::new(delivery, item.attempt, item.event.event);
    batch_item.data = item.event.data;
    batch_item
}
