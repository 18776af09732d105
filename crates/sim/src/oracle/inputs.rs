//! What do the transports see, and what do the applications answer? Invariants 2, 3, 5 and 12.

use std::collections::BTreeMap;

use photinus_contract::{
    Batch, ConnectionId, Data, Delivery, DeliveryId, Event, HandOver, Outcome, Response,
    Subscription, SubscriptionId, VoidReason,
};

use super::Oracle;
use super::owner::Owner;
use super::replies::Answered;
use super::state::{Offer, Offered};

impl Oracle {
    /// An event was handed over, and this was the transport's answer.
    pub(crate) fn delivered(&mut self, node: usize, delivery: &Delivery, answer: &HandOver) {
        let Delivery {
            subscription, id, ..
        } = delivery;
        self.shown(&delivery.event);
        let item = offered(
            *id,
            delivery.attempt,
            &delivery.event,
            delivery.data.as_deref(),
        );
        self.note_hand_over(
            node,
            delivery.id,
            &delivery.connection,
            subscription,
            &[item],
            answer,
        );
        let wants_data = subscription.options.with_data == Some(true);
        if wants_data != delivery.data.is_some() {
            let label = self.label(subscription.id);
            self.violated(3, format_args!("{label} wants data: {wants_data}"));
        }
        let options = &subscription.options;
        let offer = Offer {
            now: self.history.wall(),
            connection: &delivery.connection,
            batch: None,
            items: vec![item],
            answer,
            events_max: usize::from(options.read_ahead_or_default()) + 1,
            bytes_max: self.windows.get(&node).copied().unwrap_or_default(),
        };
        self.handed_over(node, subscription, *id, &offer);
    }

    /// A batch was handed over, and this was the transport's answer.
    pub(crate) fn batch_delivered(&mut self, node: usize, batch: &Batch, answer: &HandOver) {
        let mut items = Vec::new();
        for item in &batch.items {
            self.shown(&item.event);
            items.push(offered(
                item.id,
                item.attempt,
                &item.event,
                item.data.as_deref(),
            ));
        }
        let subscription = &batch.subscription;
        self.history.count("batches");
        self.note_hand_over(
            node,
            batch.id,
            &batch.connection,
            subscription,
            &items,
            answer,
        );
        let offer = Offer {
            now: self.history.wall(),
            connection: &batch.connection,
            batch: Some(batch.id.number()),
            items,
            answer,
            events_max: usize::from(subscription.options.read_ahead_or_default()),
            bytes_max: self.windows.get(&node).copied().unwrap_or_default(),
        };
        self.handed_over(node, subscription, batch.id, &offer);
    }

    fn note_hand_over(
        &self,
        node: usize,
        id: DeliveryId,
        connection: &ConnectionId,
        subscription: &Subscription,
        items: &[Offered],
        answer: &HandOver,
    ) {
        let label = self.label(subscription.id);
        let events: Vec<String> = items
            .iter()
            .map(|item| match item.attempt {
                1 => item.sequence.to_string(),
                attempt => format!("{} (attempt {attempt})", item.sequence),
            })
            .collect();
        let events = events.join(" ");
        self.history.count(match answer {
            HandOver::Ok => "deliveries",
            HandOver::Busy(_) => "hand-overs busy",
            HandOver::Closed => "hand-overs closed",
            _ => "hand-overs failed",
        });
        let answer = match answer {
            HandOver::Ok => String::new(),
            other => format!(": {other:?}"),
        };
        self.history.note(format_args!(
            "e{node} gives {label} {events} as {id} to {connection}{answer}"
        ));
    }

    fn handed_over(
        &mut self,
        node: usize,
        subscription: &Subscription,
        id: DeliveryId,
        offer: &Offer<'_>,
    ) {
        let place = (subscription.id, id.epoch());
        let label = self.label(subscription.id);
        let Some(owner) = self.owners.get_mut(&place) else {
            return self.violated(6, format_args!("{label} is delivered by no owner"));
        };
        if owner.node != node || owner.ended {
            return self.violated(
                6,
                format_args!("{label} is delivered by an owner that ended"),
            );
        }
        if owner.filter != subscription.filter {
            return self.violated(3, format_args!("{label} is delivered by another filter"));
        }
        if self.pauses.holds(node, subscription.id, offer.now) {
            return self.violated(3, format_args!("{label} is paused, and gets something new"));
        }
        let numbers = offer.items.iter().map(|item| item.number);
        owner.handed_over.extend(numbers.chain(offer.batch));
        let seen = match self.is_replay(subscription.id, id.epoch(), offer) {
            true => Ok(()),
            false => self.is_in_order(place, offer),
        };
        if let Err(reason) = seen {
            let (number, reason) = reason.split_once(": ").unwrap_or(("3", &reason));
            let number = number.parse().unwrap_or(3);
            self.violated(number, format_args!("{label}: {reason}"));
        }
        let connection = self
            .connections
            .entry(offer.connection.clone())
            .or_default();
        let is_down = connection.is_down(subscription.id);
        let is_busy = connection.busy.contains(&place);
        if matches!(offer.answer, HandOver::Busy(_)) {
            connection.busy.insert(place);
        }
        if is_down || is_busy {
            self.violated(
                3,
                format_args!(
                    "{label} is given to {}, which is down or busy",
                    offer.connection
                ),
            );
        }
    }

    /// Whether an owner may hand over what it does.
    fn is_in_order(
        &mut self,
        place: (SubscriptionId, u64),
        offer: &Offer<'_>,
    ) -> Result<(), String> {
        let Some(owner) = self.owners.get_mut(&place) else {
            return Ok(());
        };
        match self.logs.get(&owner.namespace) {
            Some(log) => owner.see(log, |state, view| state.hand_over(view, offer)),
            None => Ok(()),
        }
    }

    /// The transport was told that a delivery, or a batch, is void.
    pub(crate) fn voided(
        &mut self,
        node: usize,
        connection: &ConnectionId,
        id: SubscriptionId,
        delivery: DeliveryId,
        reason: VoidReason,
    ) {
        let label = self.label(id);
        self.history.count(match reason {
            VoidReason::AckTimeout => "ack timeouts",
            VoidReason::Reset => "voided by a reset",
            _ => "voided by a rewind",
        });
        self.history.note(format_args!(
            "e{node} voids {delivery} of {label} at {connection}: {reason:?}"
        ));
        let number = delivery.number();
        if self.replaying.voided((id, delivery.epoch(), number)) {
            return;
        }
        let Some(owner) = self.owners.get_mut(&(id, delivery.epoch())) else {
            return;
        };
        let Some(log) = self.logs.get(&owner.namespace) else {
            return;
        };
        let was_handed_over = owner.handed_over.contains(&number);
        let seen = owner.see(log, |state, _| {
            match state.voided(number, connection, reason) {
                true => Ok(()),
                false => Err("neither current nor void".to_owned()),
            }
        });
        if seen.is_err() {
            // It stops just when the answer came.
            match was_handed_over && reason == VoidReason::Reset {
                true => owner.ended = true,
                false => self.violated(
                    3,
                    format_args!("{delivery} of {label} is voided, and was not current"),
                ),
            }
        }
    }

    /// An application answers over this connection of this engine.
    pub(crate) fn answers(&mut self, node: usize, connection: &ConnectionId, response: &Response) {
        let (id, delivery) = (response.subscription, response.delivery);
        let label = self.label(id);
        let mut text = said(&response.outcome);
        for (item, outcome) in &response.items {
            text.push_str(&format!(", {item} {}", said(outcome)));
        }
        let owner = self.owners.get(&(id, delivery.epoch()));
        let events =
            owner.map(|owner| current_events(owner, &self.logs, node, connection, response));
        let mut events = events.unwrap_or_default();
        events.extend(self.replayed_events(response));
        self.remember(response, events);
        let mut applied = self.replay_answered(connection, response);
        if let Some(owner) = self.owners.get_mut(&(id, delivery.epoch()))
            && !applied
            && owner.node == node
            && !owner.ended
            && let Some(log) = self.logs.get(&owner.namespace)
        {
            applied = owner.answer(log, connection, response);
            if self.pauses.is_asked(node, id) {
                owner.forget_pause();
            }
        }
        self.pauses.answered(response);
        self.history.count(match (applied, &response.outcome) {
            (false, _) => "late answers ignored",
            (true, _) if !response.items.is_empty() => "batches answered by items",
            (true, Outcome::Acknowledge { reply: None }) => "acknowledged",
            (true, Outcome::Acknowledge { .. }) => "acknowledged with a reply",
            (true, Outcome::Retry { .. }) => "retries",
            (true, Outcome::Park { .. }) => "answered with a park",
            (true, Outcome::Skip { .. }) => "skips",
            (true, _) => "pauses",
        });
        let late = if applied { "" } else { " (late)" };
        self.history.note(format_args!(
            "{connection} answers {delivery} of {label}: {text}{late}"
        ));
    }

    /// The events of an answer to replays, by the numbers of their deliveries.
    fn replayed_events(&self, response: &Response) -> Vec<(u64, (i64, uuid::Uuid))> {
        let (id, delivery) = (response.subscription, response.delivery);
        let place = (id, delivery.epoch(), delivery.number());
        let position = self.positions.get(&id);
        let log = position.and_then(|position| self.logs.get(&position.subscription.namespace));
        let events = self.replaying.current(place).iter();
        let found = events.filter_map(|&(number, at)| {
            let event = log?.event(at)?;
            Some((number, (at, event.reference())))
        });
        found.collect()
    }

    /// Remembers what marks the replies and parks of an answer.
    fn remember(&mut self, response: &Response, events: BTreeMap<u64, (i64, uuid::Uuid)>) {
        let delivery = response.delivery;
        let one = (delivery, &response.outcome);
        let items = response
            .items
            .iter()
            .map(|(item, outcome)| (*item, outcome));
        for (item, outcome) in std::iter::once(one).chain(items) {
            let marker = match outcome {
                Outcome::Acknowledge { reply: Some(reply) } => reply.header.author.clone(),
                Outcome::Park { reason } => reason.clone(),
                _ => continue,
            };
            let answered = Answered {
                subscription: response.subscription,
                epoch: delivery.epoch(),
                number: item.number(),
                event: events.get(&item.number()).copied(),
            };
            self.answered.insert(marker, answered);
        }
    }

    /// An ephemeral subscription began on an engine that has seen at least the log up to `low`.
    pub(crate) fn ephemeral_began(
        &mut self,
        node: usize,
        connection: &ConnectionId,
        subscription: &Subscription,
        low: i64,
    ) {
        let head = self.head(subscription.namespace.as_str());
        let range = match subscription.options.first_event.as_deref() {
            Some("oldest") => (-1, -1),
            Some(number) if number != "newest" => number.parse().map_or((-1, -1), |at| (at, at)),
            _ => (low.min(head), head),
        };
        let again = self.labels.len() + 1;
        let label = format!("eph#{again}");
        self.history.count("ephemeral subscriptions");
        self.history.note(format_args!(
            "e{node} begins {label} after {range:?} on {connection}"
        ));
        self.labels.insert(subscription.id, label);
        let owner = Owner::ephemeral(node, connection, subscription, range);
        self.owners.insert((subscription.id, 1), owner);
    }

    /// An engine has certainly heard all that the store did.
    pub(crate) fn settled_down(&mut self, node: usize) {
        for owner in self.owners.values_mut().filter(|owner| owner.node == node) {
            if let Some(log) = self.logs.get(&owner.namespace) {
                owner.settle_down(log);
            }
        }
    }
}

fn offered(id: DeliveryId, attempt: u32, event: &Event, data: Option<&[Data]>) -> Offered {
    let values = data
        .unwrap_or_default()
        .iter()
        .map(|data| data.value.get().len());
    Offered {
        number: id.number(),
        sequence: event.sequence().0,
        attempt,
        bytes: event.size() + values.sum::<usize>(),
    }
}

/// The events that an answer is about, by the numbers of their deliveries, as far as they are current.
fn current_events(
    owner: &Owner,
    logs: &BTreeMap<photinus_contract::Namespace, super::log::LogModel>,
    node: usize,
    connection: &ConnectionId,
    response: &Response,
) -> BTreeMap<u64, (i64, uuid::Uuid)> {
    let mut found = BTreeMap::new();
    let Some(log) = logs
        .get(&owner.namespace)
        .filter(|_| owner.node == node && !owner.ended)
    else {
        return found;
    };
    let numbers = std::iter::once(response.delivery.number())
        .chain(response.items.iter().map(|(item, _)| item.number()));
    for number in numbers {
        for state in owner.states() {
            let mut trial = state.clone();
            let view = owner.view(log);
            if let Some(at) = state.current(number)
                && trial.answer(view, connection, response)
                && let Some(event) = log.event(at)
            {
                found.insert(number, (at, event.reference()));
            }
        }
    }
    found
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Acknowledge { reply: None } => "ack".to_owned(),
        Outcome::Acknowledge { reply: Some(reply) } => format!("ack with {}", reply.header.author),
        Outcome::Retry { delay, counted, .. } => match (delay, counted) {
            (None, true) => "retry".to_owned(),
            (delay, counted) => format!("retry after {delay:?}, counted: {counted}"),
        },
        Outcome::Park { reason } => format!("park {reason}"),
        Outcome::Skip { .. } => "skip".to_owned(),
        Outcome::Pause { until, .. } => format!("pause until {until:?}"),
        other => format!("{other:?}"),
    }
}
