//! What must come next, and what must not?

use std::time::Duration;

use photinus_contract::{Delivery, SubscriptionId};
use tokio::time::timeout;

use super::{Bench, Sent};
use crate::transport::far_end::{Arrival, FarAnswer, FarBatch, FarConnection, FarEvent};
use crate::transport::journal::{Entry, outcome};
use crate::transport::verdict::{Fault, Kept, require};

impl Bench {
    /// The next thing that reaches a connection.
    pub(in crate::transport) async fn receive(
        &mut self,
        connection: FarConnection,
    ) -> Result<Arrival, Fault> {
        let patience = self.subject.patience;
        match timeout(patience, self.far.receive(connection)).await {
            Ok(arrival) => Ok(arrival?),
            Err(_) => {
                let busy = self.journal.busy_since().map(|delivery| {
                    format!("; it said busy to delivery {delivery} and has not said ready since")
                });
                Err(Fault(format!(
                    "nothing reached the application within {patience:?}{}",
                    busy.unwrap_or_default()
                )))
            }
        }
    }

    /// Exactly these events come next, in this order.
    pub(in crate::transport) async fn expect(
        &mut self,
        connection: FarConnection,
        due: &[Sent],
    ) -> Result<Vec<FarEvent>, Fault> {
        let mut events = Vec::new();
        for (index, due) in due.iter().enumerate() {
            let event = match self.receive(connection).await {
                Ok(Arrival::Event(event)) => event,
                Ok(other) => {
                    return Err(Fault(format!(
                        "event {} was due, and this came: {other:?}",
                        due.sequence
                    )));
                }
                Err(Fault(text)) => {
                    let sequence = due.sequence;
                    return Err(Fault(format!(
                        "event {sequence} was due, after {index} others: {text}"
                    )));
                }
            };
            is_event(&event, due)?;
            events.push(event);
        }
        Ok(events)
    }

    /// A batch of exactly these events comes next.
    pub(in crate::transport) async fn expect_batch(
        &mut self,
        connection: FarConnection,
        due: &[Sent],
    ) -> Result<FarBatch, Fault> {
        let batch = match self.receive(connection).await? {
            Arrival::Batch(batch) => batch,
            other => return Err(Fault(format!("a batch was due, and this came: {other:?}"))),
        };
        require(batch.events.len() == due.len(), || {
            let (due, came) = (due.len(), batch.events.len());
            format!("a batch of {due} events was due, and one of {came} came")
        })?;
        for (event, due) in batch.events.iter().zip(due) {
            is_event(event, due)?;
        }
        Ok(batch)
    }

    pub(in crate::transport) async fn answer(
        &mut self,
        connection: FarConnection,
        event: &FarEvent,
        answer: FarAnswer,
    ) -> Kept {
        let answering = self.far.answer(connection, event.token.clone(), answer);
        Ok(answering.await?)
    }

    pub(in crate::transport) async fn ack_all(
        &mut self,
        connection: FarConnection,
        events: &[FarEvent],
    ) -> Kept {
        for event in events {
            self.answer(connection, event, FarAnswer::Ack).await?;
        }
        Ok(())
    }

    /// Waits for a call since a mark.
    pub(in crate::transport) async fn wait<T>(
        &self,
        since: usize,
        mut find: impl FnMut(&Entry) -> Option<T>,
    ) -> Option<T> {
        let patience = self.subject.patience;
        let found = self.journal.wait(patience, since, |entries| {
            entries.iter().find_map(&mut find)
        });
        found.await
    }

    /// The newest delivery of an event to a subscription.
    pub(in crate::transport) fn newest(
        &self,
        id: SubscriptionId,
        sent: Sent,
    ) -> Result<Delivery, Fault> {
        let found = self.journal.find(0, |entries| {
            entries.iter().rev().find_map(|entry| match entry {
                Entry::Delivered(delivery, _)
                    if delivery.event.id() == sent.event && delivery.subscription.id == id =>
                {
                    Some(delivery.clone())
                }
                _ => None,
            })
        });
        found.ok_or_else(|| Fault(format!("event {} was never handed over", sent.sequence)))
    }

    /// The transport answers this delivery, and so.
    pub(in crate::transport) async fn answered(
        &self,
        since: usize,
        delivery: &Delivery,
        expected: &str,
    ) -> Kept {
        let found = self.wait(since, |entry| match entry {
            Entry::Responded(_, response)
                if response.delivery == delivery.id
                    && response.subscription == delivery.subscription.id =>
            {
                Some(outcome(&response.outcome))
            }
            _ => None,
        });
        let (id, sequence) = (delivery.id, delivery.event.sequence());
        match found.await {
            Some(found) if found == expected => Ok(()),
            Some(found) => Err(Fault(format!(
                "the application's answer to event {sequence} (delivery {id}) is {expected}, and the transport says {found}"
            ))),
            None => Err(Fault(format!(
                "the application answered event {sequence} (delivery {id}), and respond was not called for it"
            ))),
        }
    }

    /// All deliveries that the transport answered since a mark, once it has answered `last`, are among
    /// these.
    pub(in crate::transport) fn answered_only(&self, since: usize, named: &[&Delivery]) -> Kept {
        let other = self.journal.find(since, |entries| {
            entries.iter().find_map(|entry| match entry {
                Entry::Responded(_, response)
                    if named.iter().all(|named| named.id != response.delivery) =>
                {
                    Some(response.delivery)
                }
                _ => None,
            })
        });
        match other {
            None => Ok(()),
            Some(other) => Err(Fault(format!(
                "an answer settled delivery {other}, which it did not name"
            ))),
        }
    }

    /// The offset reaches this event.
    pub(in crate::transport) async fn settled(&self, id: SubscriptionId, sent: Sent) -> Kept {
        let reached = async {
            loop {
                let offset = self.handle.subscription_offset(id).await;
                if offset.is_some_and(|offset| offset.0 >= sent.sequence) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        match timeout(self.subject.patience, reached).await {
            Ok(()) => Ok(()),
            Err(_) => {
                let offset = self.handle.subscription_offset(id).await;
                Err(Fault(format!(
                    "all events up to {} were answered, and the offset is {offset:?}",
                    sent.sequence
                )))
            }
        }
    }

    /// The offset has not reached this event.
    pub(in crate::transport) async fn unsettled(&self, id: SubscriptionId, sent: Sent) -> Kept {
        let offset = self.handle.subscription_offset(id).await;
        require(offset.is_none_or(|offset| offset.0 < sent.sequence), || {
            format!(
                "event {} was not answered, and the offset has passed it",
                sent.sequence
            )
        })
    }
}

/// The event is the one that was due, and says so.
fn is_event(event: &FarEvent, due: &Sent) -> Kept {
    require(event.id == due.event.to_string(), || {
        format!(
            "event {} ({}) was due, and {} came (sequence {:?})",
            due.sequence, due.event, event.id, event.sequence
        )
    })?;
    require(
        event.sequence.is_none_or(|shown| shown == due.sequence),
        || {
            format!(
                "event {} shows the sequence {:?}",
                due.sequence, event.sequence
            )
        },
    )
}

/// Where attempts are shown, it is this one.
pub(in crate::transport) fn is_attempt(event: &FarEvent, attempt: u32) -> Kept {
    require(event.attempt.is_none_or(|shown| shown == attempt), || {
        format!(
            "event {} came as attempt {:?}, and it is attempt {attempt}",
            event.id, event.attempt
        )
    })
}
