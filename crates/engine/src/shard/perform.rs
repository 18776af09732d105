//! How does an action become I/O?

use photinus_contract::record::ReplyKey;
use photinus_contract::store::{AppendError, OffsetError, ParkedEntry};
use photinus_contract::{DeliveryId, MessageInput, Outcome, SubscriptionId, Timestamp};
use photinus_dispatch::{Action, Instant, Item, Unsaved, Verdict};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::warn;

use super::active::{Active, Phase};
use super::feed::{Meal, Payload};
use super::hand_over::{hand_over_batch, hand_over_run};
use super::paused::at;
use super::{EVENTS_PER_TURN, Mail, Shard, Spec};
use crate::pause::shortened;
use crate::publish::is_passing;

/// What a dispatcher wants to be durable.
struct Writing {
    spec: Spec,
    start: u64,
    /// The epoch and the generation.
    owner: (u64, u64),
    item: Item<Payload>,
    what: Written,
}

enum Written {
    Parked {
        reason: String,
        error: Option<String>,
    },
    /// The reply, and what says that it is being published.
    Reply(Box<MessageInput>, TaskTrackerToken),
}

impl Shard {
    /// Lets a dispatcher do what it can.
    pub(super) fn run_one(&mut self, id: SubscriptionId) {
        if let Some(running) = self.running(id) {
            running.queued = false;
        }
        self.leave_live(id);
        let mut looked_at = 0;
        loop {
            self.perform_all(id);
            self.feed_replays(id);
            match self.feed(id) {
                Meal::Some(events) => looked_at += events,
                Meal::Full => {
                    // A batch that is full by bytes goes out now.
                    self.perform_all(id);
                    break;
                }
                Meal::UpToDate => {
                    self.go_live(id);
                    break;
                }
                Meal::Waiting(namespace, after) => {
                    let waiting = self.waiting.entry((namespace, after));
                    waiting.or_default().insert(id);
                    break;
                }
                Meal::Loading => break,
            }
            if looked_at > EVENTS_PER_TURN {
                self.perform_all(id);
                self.wake(id);
                break;
            }
        }
        self.arm(id);
        self.note_unsaved(id);
        self.observe(id);
    }

    /// Performs all that a dispatcher asks for.
    pub(super) fn perform_all(&mut self, id: SubscriptionId) {
        let now = self.now();
        while let Some(writing) = self.hand_over_all(id, now) {
            let Writing {
                spec,
                start,
                owner: (epoch, generation),
                item,
                what,
            } = writing;
            match what {
                Written::Parked { reason, error } => {
                    self.park(&spec, start, (epoch, generation), item, reason, error);
                }
                Written::Reply(reply, publishing) => {
                    self.reply(spec, start, (epoch, generation), item, reply, publishing);
                }
            }
        }
    }

    /// Hands over and voids what a dispatcher asks for, up to something that has to be written, or the end.
    fn hand_over_all(&mut self, id: SubscriptionId, now: Instant) -> Option<Writing> {
        let Active { spec, start, phase } = &mut **self.active.get_mut(&id)?;
        let Phase::Running(running) = phase else {
            return None;
        };
        loop {
            let (item, what) = match running.dispatcher.poll_action(now)? {
                Action::Deliver { connection, item } => {
                    hand_over_run(spec, running, now, connection, item);
                    continue;
                }
                Action::DeliverBatch {
                    connection,
                    number,
                    items,
                } => {
                    hand_over_batch(spec, running, now, connection, number, items);
                    continue;
                }
                Action::Void {
                    connection,
                    number,
                    reason,
                } => {
                    let delivery = DeliveryId::new(running.epoch, number);
                    spec.transport.voided(&connection, id, delivery, reason);
                    spec.metrics.voided();
                    continue;
                }
                Action::Park {
                    item,
                    reason,
                    error,
                } => (item, Written::Parked { reason, error }),
                Action::Reply { item, reply } => {
                    let publishing = running.replies.get_or_insert_default().token();
                    (item, Written::Reply(reply, publishing))
                }
            };
            return Some(Writing {
                spec: spec.clone(),
                start: *start,
                owner: (running.epoch, running.generation),
                item,
                what,
            });
        }
    }

    /// Writes a parked entry. Without a store behind it, there is nowhere to park: the event is only passed.
    fn park(
        &self,
        spec: &Spec,
        start: u64,
        (epoch, generation): (u64, u64),
        item: Item<Payload>,
        reason: String,
        error: Option<String>,
    ) {
        let id = spec.subscription.id;
        let handle = self.handle.clone();
        let (health, metrics) = (self.core.health.clone(), spec.metrics.clone());
        let number = item.number;
        if spec.subscription.ephemeral {
            handle.post(Mail::Written {
                subscription: id,
                start,
                number,
                stored: true,
            });
            return;
        }
        // One that is parked again stays of its generation: that is part of the key of its reply.
        let generation = item.event.parked_in.unwrap_or(generation);
        let entry = ParkedEntry::new(
            id,
            (epoch, generation),
            (item.sequence, item.event.event.id()),
            self.core.clock.now(),
        )
        .because(
            attempts(&item, error.is_some()),
            reason,
            error.filter(|error| !error.is_empty()),
        );
        let parked = self.core.store.park(vec![entry]);
        self.core.tasks.spawn(async move {
            let stored = match parked.await.into_iter().next() {
                Some(Ok(())) => {
                    metrics.parked();
                    true
                }
                Some(Err(OffsetError::Fenced)) => {
                    handle.post(Mail::Fenced {
                        subscription: id,
                        start,
                    });
                    return;
                }
                None => false,
                Some(Err(error)) => {
                    warn!(subscription = %id, %error, "cannot park an event");
                    if let OffsetError::Store(error) = &error {
                        health.doubt(error);
                    }
                    false
                }
            };
            handle.post(Mail::Written {
                subscription: id,
                start,
                number,
                stored,
            });
        });
    }

    /// Publishes a reply, once for each event and generation.
    fn reply(
        &self,
        spec: Spec,
        start: u64,
        (epoch, generation): (u64, u64),
        item: Item<Payload>,
        reply: Box<MessageInput>,
        publishing: TaskTrackerToken,
    ) {
        let subscription = spec.subscription.id;
        let epoch = (!spec.subscription.ephemeral).then_some(epoch);
        let key = ReplyKey {
            subscription,
            generation: item.event.parked_in.unwrap_or(generation),
            event: item.sequence,
            epoch,
        };
        let core = self.core.clone();
        let handle = self.handle.clone();
        let number = item.number;
        self.core.tasks.spawn(async move {
            let published = core.publish_reply(&spec.namespace, &item.event.event, *reply, key);
            let published = published.await;
            drop(publishing);
            let stored = match published {
                Ok(()) | Err(AppendError::DuplicateReply { .. } | AppendError::Passed) => true,
                Err(AppendError::Fenced) => {
                    handle.post(Mail::Fenced {
                        subscription,
                        start,
                    });
                    return;
                }
                Err(AppendError::Store(error)) if is_passing(&error) => {
                    warn!(%subscription, %error, "cannot publish a reply; the event comes again");
                    false
                }
                Err(error) => {
                    // It would be refused again and again, and hold the subscription for ever.
                    warn!(%subscription, %error, "a reply is refused; the event counts as acknowledged");
                    true
                }
            };
            handle.post(Mail::Written {
                subscription,
                start,
                number,
                stored,
            });
        });
    }

    /// Sets the timer of a dispatcher to what it waits for.
    fn arm(&mut self, id: SubscriptionId) {
        let Some(running) = self.running(id) else {
            return;
        };
        let due = running.dispatcher.poll_timeout();
        let before = std::mem::replace(&mut running.timer, due);
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, id));
        }
        if let Some(due) = due {
            self.timers.insert((due, id));
        }
    }

    fn note_unsaved(&mut self, id: SubscriptionId) {
        let now = self.now();
        let idle_events_max = self.core.config.idle_offset_events_max;
        let (flush, idle) = (
            self.core.config.offset_flush(),
            self.core.config.idle_offset_flush(),
        );
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        if !active.is_stored() {
            return;
        }
        let Some(running) = active.running() else {
            return;
        };
        let passed = running.dispatcher.offset().0.abs_diff(running.saved.0);
        match running.dispatcher.unsaved() {
            Unsaved::Nothing => {}
            Unsaved::Passed if passed < idle_events_max => self.saves.passed(now.after(idle)),
            Unsaved::Passed | Unsaved::Settled => self.saves.settled(id, now.after(flush)),
        }
    }
}

/// How many attempts there were: after a failure the next one has not begun.
fn attempts(item: &Item<Payload>, has_failed: bool) -> u32 {
    item.attempt.saturating_sub(u32::from(has_failed)).max(1)
}

/// What a transport reported, in the words of dispatch.
pub(super) fn verdict(outcome: Outcome, now: Instant, wall: Timestamp) -> Verdict {
    match outcome {
        Outcome::Acknowledge { reply } => Verdict::Acknowledge(reply),
        Outcome::Retry {
            delay,
            counted,
            reason,
        } => Verdict::Retry {
            delay,
            counted,
            reason: shortened(&reason).to_owned(),
        },
        Outcome::Park { reason } => Verdict::Park {
            reason: shortened(&reason).to_owned(),
        },
        Outcome::Skip { .. } => Verdict::Skip,
        Outcome::Pause { until, .. } => Verdict::Pause(until.map(|until| at(until, now, wall))),
        other => {
            warn!(
                ?other,
                "an outcome is not known; the event is delivered again"
            );
            Verdict::Retry {
                delay: None,
                counted: true,
                reason: "an outcome is not known".to_owned(),
            }
        }
    }
}
