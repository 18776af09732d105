//! What may the API ask of the engine?

use std::ops::Range;
use std::sync::Arc;

use photinus_contract::name::check_name;
use photinus_contract::store::{NamespaceInfo, Pause, Selection};
use photinus_contract::transport::HttpMount;
use photinus_contract::{
    CodedError, Data, DataId, Event, EventId, EventType, MessageInput, MessageKind, Namespace,
    Record, Sequence, Subscription, SubscriptionFilter, SubscriptionId, Timestamp,
};
use serde_json::Value;
use uuid::Uuid;

use crate::addresses::Address;
use crate::changes::Changes;
use crate::core::Core;
use crate::history::Preview;
use crate::lists::{Bar, Charted, Collector, ListBudget, Listed, ListedMessage, Query};
use crate::metrics::{Sink, Source};
use crate::parked::{ParkedEvent, ParkedPayload};
use crate::publish::{Lot, MessageText, Pending, Prepared, Receipt, unavailable};
use crate::seek::{SeekTo, Sought};
use crate::standing::SubscriptionStatus;
use crate::subscribe::{Rotated, SYSTEM_TRANSPORT, SubscriptionInput};
use crate::trial::{Trial, TrialOf};
use crate::values;
use photinus_contract::transport::Chain;

/// The engine as the API sees it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    core: Arc<Core>,
}

impl Handle {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Whether it takes messages; if not, why not, in one line.
    pub fn readiness(&self) -> Result<(), String> {
        if self.core.is_stopping() {
            return Err("stopping".to_owned());
        }
        match self.core.health.error() {
            None => Ok(()),
            Some(error) => {
                let error = error.to_string().replace(['\n', '\r'], " ");
                Err(format!("the store refuses writes: {error}"))
            }
        }
    }

    /// Counts a message that was refused before the engine saw it.
    pub fn count_refusal(&self, error: &CodedError) {
        self.core.metrics.refused(error);
    }

    /// Gives all figures to a sink, those of at most `subscriptions_max` durable subscriptions among them: of the
    /// ones that are furthest behind.
    pub async fn collect(&self, subscriptions_max: usize, sink: &mut dyn Sink) {
        self.core.collect(subscriptions_max, sink).await;
    }

    /// All namespaces, by name.
    pub fn namespaces(&self) -> Vec<NamespaceInfo> {
        self.core.namespaces.all()
    }

    /// The namespace of this name.
    pub fn namespace(&self, name: &str) -> Option<NamespaceInfo> {
        self.core
            .namespaces
            .find(name)
            .map(|namespace| namespace.info.clone())
    }

    /// Creates a namespace. `FF00140` for a bad name, `FF10193` for one in use.
    pub async fn create_namespace(
        &self,
        name: &str,
        description: &str,
    ) -> Result<NamespaceInfo, CodedError> {
        check_name(name, "name")?;
        let (name, description) = (Namespace::new(name), description.to_owned());
        let change =
            |core: Arc<Core>| async move { core.create_namespace(name, description).await };
        self.core.to_the_end(change).await
    }

    /// The durable subscriptions of a namespace, newest first.
    pub fn subscriptions(&self, namespace: &str) -> Vec<Arc<Subscription>> {
        self.core.registry.subscriptions(namespace)
    }

    /// A durable subscription.
    pub fn subscription(&self, namespace: &str, id: SubscriptionId) -> Option<Arc<Subscription>> {
        let found = self.core.registry.by_id(id);
        found.filter(|subscription| subscription.namespace.as_str() == namespace)
    }

    /// How far a durable subscription is, as it was last written.
    pub async fn subscription_offset(&self, id: SubscriptionId) -> Option<Sequence> {
        let record = self.core.store.offset(id).await.ok()?;
        record.map(|record| record.offset)
    }

    /// How a durable subscription stands. `FF00164` if there is none of that id.
    pub async fn subscription_status(
        &self,
        namespace: &str,
        id: SubscriptionId,
    ) -> Result<SubscriptionStatus, CodedError> {
        self.core.subscription_status(namespace, id).await
    }

    /// Creates a durable subscription. Events committed from now on are delivered to it, or, by its
    /// `firstEvent`, earlier ones too.
    pub async fn create_subscription(
        &self,
        namespace: &str,
        input: SubscriptionInput,
    ) -> Result<Arc<Subscription>, CodedError> {
        let namespace = namespace.to_owned();
        let change =
            |core: Arc<Core>| async move { core.create_subscription(&namespace, input).await };
        self.core.to_the_end(change).await
    }

    /// Creates a durable subscription, or changes the one of that name. Its offset stays.
    pub async fn put_subscription(
        &self,
        namespace: &str,
        input: SubscriptionInput,
    ) -> Result<Arc<Subscription>, CodedError> {
        let namespace = namespace.to_owned();
        let change =
            |core: Arc<Core>| async move { core.put_subscription(&namespace, input).await };
        self.core.to_the_end(change).await
    }

    /// Deletes a durable subscription. `FF10109` if there is none of that id.
    pub async fn delete_subscription(
        &self,
        namespace: &str,
        id: SubscriptionId,
    ) -> Result<(), CodedError> {
        let namespace = namespace.to_owned();
        let change =
            |core: Arc<Core>| async move { core.delete_subscription(&namespace, id).await };
        self.core.to_the_end(change).await
    }

    /// Moves a durable subscription. What is in flight is voided, and late answers to it change nothing. `FF00164` if
    /// there is none of that id, `PH00441` if there is no such event.
    pub async fn seek(
        &self,
        namespace: &str,
        id: SubscriptionId,
        to: SeekTo,
    ) -> Result<Sought, CodedError> {
        let namespace = namespace.to_owned();
        let change = |core: Arc<Core>| async move { core.seek(&namespace, id, to).await };
        self.core.to_the_end(change).await
    }

    /// Where [`seek`](Self::seek) would go, and what would follow. Changes nothing.
    pub async fn seek_dry(
        &self,
        namespace: &str,
        id: SubscriptionId,
        to: SeekTo,
    ) -> Result<Sought, CodedError> {
        self.core.seek_dry(namespace, id, to).await
    }

    /// The parked events of a durable subscription that a query asks for, in the order of the log if it does not say
    /// otherwise. `FF00164` if there is none of that id, as for all that follows.
    pub async fn parked(
        &self,
        namespace: &str,
        id: SubscriptionId,
        query: &Query<ParkedEvent>,
    ) -> Result<Listed<ParkedEvent>, CodedError> {
        self.core.list_parked(namespace, id, query).await
    }

    /// A parked event with what it carries; `None` if that event is not parked.
    pub async fn parked_payload(
        &self,
        namespace: &str,
        id: SubscriptionId,
        event: EventId,
    ) -> Result<Option<ParkedPayload>, CodedError> {
        self.core.parked_payload(namespace, id, event).await
    }

    /// Has parked events delivered again, also if that takes a restart; says how many they are.
    pub async fn replay_parked(
        &self,
        namespace: &str,
        id: SubscriptionId,
        selection: Selection,
    ) -> Result<u64, CodedError> {
        let namespace = namespace.to_owned();
        let change =
            |core: Arc<Core>| async move { core.replay_parked(&namespace, id, selection).await };
        self.core.to_the_end(change).await
    }

    /// Gives parked events up; says how many they were. One that is with the application is voided.
    pub async fn discard_parked(
        &self,
        namespace: &str,
        id: SubscriptionId,
        selection: Selection,
    ) -> Result<u64, CodedError> {
        let namespace = namespace.to_owned();
        let change =
            |core: Arc<Core>| async move { core.discard_parked(&namespace, id, selection).await };
        self.core.to_the_end(change).await
    }

    /// Has a durable subscription deliver nothing until then, or until resumed, also after a restart. What is with the
    /// application may be answered. `FF00164` if there is none of that id, `PH00443` if that time has passed.
    pub async fn pause(
        &self,
        namespace: &str,
        id: SubscriptionId,
        pause: Pause,
    ) -> Result<(), CodedError> {
        let namespace = namespace.to_owned();
        let change = |core: Arc<Core>| async move { core.pause(&namespace, id, Some(pause)).await };
        self.core.to_the_end(change).await
    }

    /// Ends the pause of a durable subscription, if it has one. `FF00164` if there is none of that id.
    pub async fn resume(&self, namespace: &str, id: SubscriptionId) -> Result<(), CodedError> {
        let namespace = namespace.to_owned();
        let change = |core: Arc<Core>| async move { core.pause(&namespace, id, None).await };
        self.core.to_the_end(change).await
    }

    /// Replaces the secret of a durable subscription by this one, or by one that its transport makes; what is signed
    /// is signed with the old one, too, for the overlap: a duration such as `24h`, which it is where nothing is said.
    /// Its offset stays. `FF00164` if there is none of that id, `PH00449` if its transport has no secret to replace.
    pub async fn rotate_secret(
        &self,
        namespace: &str,
        id: SubscriptionId,
        secret: Option<String>,
        overlap: Option<String>,
    ) -> Result<Rotated, CodedError> {
        let namespace = namespace.to_owned();
        let change = |core: Arc<Core>| async move {
            core.rotate_secret(&namespace, id, secret, overlap).await
        };
        self.core.to_the_end(change).await
    }

    /// Tries a durable subscription with one event, outside of its stream: nothing is settled or moved. `FF00164` if
    /// there is none of that id, `PH00441` if there is no such event, `PH00448` if its transport cannot. Dropping the
    /// future ends the trial.
    pub async fn test_subscription(
        &self,
        namespace: &str,
        id: SubscriptionId,
        of: TrialOf,
    ) -> Result<Trial, CodedError> {
        self.core.test_subscription(namespace, id, of).await
    }

    /// Events that a durable subscription's filter matches among those of these sequences that a query asks for.
    /// `FF00164` if there is none of that id.
    pub async fn subscription_events(
        &self,
        namespace: &str,
        id: SubscriptionId,
        sequences: Range<i64>,
        query: &Query<Event>,
    ) -> Result<Vec<Event>, CodedError> {
        self.core
            .subscription_events(namespace, id, sequences, query)
            .await
    }

    /// What a filter matches among the newest events of a namespace. `FF10171` if it does not compile.
    pub async fn preview(
        &self,
        namespace: &str,
        filter: &SubscriptionFilter,
        last: usize,
    ) -> Result<Preview, CodedError> {
        let mut budget = self.list_budget();
        self.core
            .preview(namespace, filter, last, &mut budget)
            .await
    }

    /// Where events would go by a subscription that is not saved yet; its name may be empty, and secrets of one of that
    /// name are known. Nothing if its transport has no addresses; the error of saving it if it cannot be saved.
    pub async fn addresses(
        &self,
        namespace: &str,
        input: &SubscriptionInput,
        events: &[Event],
    ) -> Result<Vec<Address>, CodedError> {
        self.core.addresses(namespace, input, events).await
    }

    /// Publishes a message: resolves when it is committed. Dropping the future does not take it back.
    pub async fn publish(
        &self,
        namespace: &str,
        kind: MessageKind,
        input: MessageInput,
    ) -> Result<Receipt, CodedError> {
        self.core
            .publish(namespace, kind, Source::Rest, input, None)
            .await
    }

    /// Checks a message and gives it its id, without publishing it. `to_group`: it goes to the group that it
    /// names, whatever its kind; else it has none.
    pub async fn prepare(
        &self,
        namespace: &str,
        kind: MessageKind,
        to_group: bool,
        input: &MessageText<'_>,
    ) -> Result<Prepared, CodedError> {
        self.core.prepare(namespace, kind, to_group, input).await
    }

    /// Publishes a prepared message: resolves when it is committed. Dropping the future does not take it back.
    pub async fn commit(&self, prepared: Prepared) -> Result<Receipt, CodedError> {
        self.core.commit(prepared, None).await
    }

    /// Most messages of one lot.
    pub fn lot_max(&self) -> usize {
        self.core.config.commit_records_max.get()
    }

    /// Begins a lot of at most `count` messages, which get ids that rise in the order in which they are
    /// [put into it](Self::prepare_in), and above those of lots that were begun before. `FF10436` if there is no such
    /// namespace.
    pub fn lot(&self, namespace: &str, source: Source, count: usize) -> Result<Lot, CodedError> {
        self.core.lot(namespace, source, count)
    }

    /// Checks a message and puts it into a lot, as its last. As [`prepare`](Self::prepare).
    pub async fn prepare_in(
        &self,
        lot: &mut Lot,
        kind: MessageKind,
        to_group: bool,
        input: &MessageText<'_>,
    ) -> Result<(), CodedError> {
        self.core.prepare_in(lot, kind, to_group, input).await
    }

    /// Queues a lot for its commit, and returns what tells when it is committed. Waits while too much is queued. Who
    /// queues one lot after the other has their events in the log in that order; once this has resolved, the messages
    /// are committed whether or not anybody waits for them. In a chain they are refused if the store has failed on an
    /// earlier one, so that none overtakes one that has to be sent again.
    pub async fn enqueue(&self, lot: Lot, chain: Option<&Chain>) -> Result<Pending, CodedError> {
        self.core.enqueue(lot, chain.cloned()).await
    }

    /// The changes of all namespaces from now on.
    pub fn changes(&self) -> Changes {
        self.core.changes.listen()
    }

    /// The events of a namespace that a query asks for; newest first, if it does not say otherwise.
    pub async fn events(
        &self,
        namespace: &str,
        query: &Query<Event>,
    ) -> Result<Listed<Event>, CodedError> {
        let namespace = self.core.namespaces.get(namespace)?.info.name.clone();
        self.core.list_events(&namespace, 0..i64::MAX, query).await
    }

    /// An event, by its id.
    pub async fn event(&self, namespace: &str, id: Uuid) -> Result<Option<Event>, CodedError> {
        let namespace = self.core.namespaces.get(namespace)?.info.name.clone();
        self.core.event(&namespace, id).await
    }

    /// The messages of a namespace that a query asks for; newest first, if it does not say otherwise.
    pub async fn messages(
        &self,
        namespace: &str,
        query: &Query<ListedMessage>,
    ) -> Result<Listed<ListedMessage>, CodedError> {
        let namespace = self.core.namespaces.get(namespace)?.info.name.clone();
        self.core.list_messages(&namespace, query).await
    }

    /// How many events or messages came in between one border and the next, which rise.
    pub async fn histogram(
        &self,
        namespace: &str,
        what: Charted,
        borders: &[Timestamp],
    ) -> Result<Vec<Bar>, CodedError> {
        let namespace = self.core.namespaces.get(namespace)?;
        self.core.histogram(&namespace, what, borders).await
    }

    /// A message, by its id.
    pub async fn message(
        &self,
        namespace: &str,
        id: Uuid,
    ) -> Result<Option<Arc<Record>>, CodedError> {
        let record = self.record(namespace, id).await?;
        Ok(record.filter(|record| record.content.id.0 == id && has_message(record)))
    }

    /// The messages that refer to a value and that a query asks for; newest first, if it does not say otherwise.
    pub async fn messages_of_value(
        &self,
        namespace: &str,
        id: Uuid,
        query: &Query<ListedMessage>,
    ) -> Result<Listed<ListedMessage>, CodedError> {
        let namespace = self.core.namespaces.get(namespace)?.info.name.clone();
        let mut listed = Collector::new(query, self.core.config.list_bytes_max);
        let mut before = Sequence::MAX;
        while !listed.is_done() {
            tokio::task::yield_now().await;
            let store = &self.core.store;
            let rows = self.core.rows();
            let page = store.records_of_value(&namespace, DataId(id), before, rows);
            let page = page.await.map_err(unavailable)?;
            let Some(last) = page.last() else { break };
            before = last.last;
            for record in page {
                let bytes = record.content.size();
                listed.offer(ListedMessage::new(record), bytes)?;
            }
        }
        Ok(listed.finish())
    }

    /// The values of a namespace that a query asks for, those in the log and those stored by themselves; newest first,
    /// if it does not say otherwise.
    pub async fn data(
        &self,
        namespace: &str,
        query: &Query<Data>,
    ) -> Result<Listed<Data>, CodedError> {
        let namespace = self.core.namespaces.get(namespace)?.info.name.clone();
        self.core.list_data(&namespace, query).await
    }

    /// A value, by its id.
    pub async fn datum(&self, namespace: &str, id: Uuid) -> Result<Option<Data>, CodedError> {
        let namespace = self.core.namespaces.get(namespace)?.info.name.clone();
        self.core
            .store
            .value(&namespace, DataId(id))
            .await
            .map_err(unavailable)
    }

    /// The values of a message, in its order.
    pub async fn message_data(&self, record: &Record) -> Result<Vec<Data>, CodedError> {
        values::of_message(&*self.core.store, record)
            .await
            .map_err(unavailable)
    }

    /// How much a list of values may hold.
    pub fn list_budget(&self) -> ListBudget {
        ListBudget::new(self.core.config.list_bytes_max)
    }

    /// The kind of store that everything is kept in.
    pub fn store_name(&self) -> &'static str {
        self.core.store.name()
    }

    /// The options of the transports that a subscription can name, as JSON Schemas, by their names.
    pub fn option_schemas(&self) -> Vec<(&'static str, Value)> {
        let transports = self.core.transports.all();
        let schemas = transports
            .iter()
            .filter(|transport| transport.name() != SYSTEM_TRANSPORT)
            .filter_map(|transport| Some((transport.name(), transport.options_schema()?)));
        schemas.collect()
    }

    /// The transports that run.
    pub fn transports(&self) -> Vec<&'static str> {
        self.core
            .transports
            .all()
            .iter()
            .map(|transport| transport.name())
            .collect()
    }

    /// What a transport says of itself to an operator.
    pub fn transport_status(&self, name: &str) -> Option<Value> {
        self.core.transports.get(name)?.status()
    }

    /// The paths that transports serve.
    pub fn http_mounts(&self) -> Vec<HttpMount> {
        self.core
            .transports
            .all()
            .iter()
            .flat_map(|transport| transport.http_mounts())
            .collect()
    }

    async fn record(&self, namespace: &str, id: Uuid) -> Result<Option<Arc<Record>>, CodedError> {
        let namespace = self.core.namespaces.get(namespace)?.info.name.clone();
        self.core
            .store
            .record(&namespace, id)
            .await
            .map_err(unavailable)
    }
}

/// Whether a record is that of a message, as against one of a definition.
pub(crate) fn has_message(record: &Record) -> bool {
    record.content.kind != EventType::DatatypeConfirmed
}
