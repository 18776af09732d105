//! What do all parts of a running engine share?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use photinus_contract::record::ReplyKey;
use photinus_contract::store::{
    AppendError, CreateNamespaceError, NamespaceInfo, Store, StoreError, StoreErrorKind,
};
use photinus_contract::transport::Published;
use photinus_contract::{CodedError, Event, MessageId, MessageInput, MessageKind, Namespace};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::changes::ChangeFeed;
use crate::clock::Clock;
use crate::committer::Committer;
use crate::config::EngineConfig;
use crate::datatypes::Schemas;
use crate::filters::Filters;
use crate::health::Health;
use crate::metrics::{Metrics, Source};
use crate::namespaces::{NamespaceMap, NamespaceState};
use crate::pages::Pages;
use crate::publish::{
    Lot, MessageText, Moment, Pending, Prepared, Publisher, Receipt, refused, unavailable,
};
use crate::registry::Registry;
use crate::transports::TransportMap;
use photinus_contract::transport::Chain;

/// What all parts of a running engine share.
pub(crate) struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: EngineConfig,
    pub(crate) namespaces: Arc<NamespaceMap>,
    pub(crate) transports: Arc<TransportMap>,
    pub(crate) filters: Filters,
    pub(crate) registry: Registry,
    pub(crate) committer: Committer,
    pub(crate) changes: Arc<ChangeFeed>,
    pub(crate) pages: Pages,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) schemas: Schemas,
    pub(crate) tasks: TaskTracker,
    /// Held while a subscription or namespace is created, changed or deleted.
    pub(crate) admin: Mutex<()>,
    pub(crate) stopping: AtomicBool,
    /// A permit for each trial of a subscription that may go on at once.
    pub(crate) trials: Semaphore,
}

impl Core {
    /// Publishes a message: resolves when it is committed.
    pub(crate) async fn publish(
        &self,
        namespace: &str,
        kind: MessageKind,
        source: Source,
        input: MessageInput,
        chain: Option<Chain>,
    ) -> Result<Receipt, CodedError> {
        let to_group = kind == MessageKind::Private;
        let input = (&input).into();
        let prepared = self.prepare(namespace, kind, to_group, &input).await?;
        self.commit(prepared.via(source), chain).await
    }

    /// Checks a message and gives it its id. Nothing is published yet.
    pub(crate) async fn prepare(
        &self,
        namespace: &str,
        kind: MessageKind,
        to_group: bool,
        input: &MessageText<'_>,
    ) -> Result<Prepared, CodedError> {
        let prepared = async {
            let namespace = self.namespaces.get(namespace)?;
            self.check_open()?;
            let id = MessageId::from_v7(self.clock.new_id());
            let moment = Moment::now(&*self.clock);
            let publisher = self.publisher();
            let drafted = publisher.draft(&namespace, kind, to_group, input, id, &moment);
            let draft = drafted.await?;
            Ok(Prepared { namespace, draft })
        };
        prepared
            .await
            .inspect_err(|error| self.metrics.refused(error))
    }

    /// Begins a lot of so many messages.
    pub(crate) fn lot(
        &self,
        namespace: &str,
        source: Source,
        count: usize,
    ) -> Result<Lot, CodedError> {
        let count = count.min(self.config.commit_records_max.get());
        Ok(Lot {
            namespace: self.namespaces.get(namespace)?,
            source,
            moment: Moment::now(&*self.clock),
            ids: self.clock.new_ids(count).into_iter(),
            drafts: Vec::with_capacity(count),
        })
    }

    /// Checks a message and puts it into a lot.
    pub(crate) async fn prepare_in(
        &self,
        lot: &mut Lot,
        kind: MessageKind,
        to_group: bool,
        input: &MessageText<'_>,
    ) -> Result<(), CodedError> {
        let prepared = async {
            self.check_open()?;
            if lot.len() >= self.config.commit_records_max.get() {
                return Err(CodedError::internal("the lot is full"));
            }
            let id = lot.next_id(&*self.clock);
            let publisher = self.publisher();
            publisher
                .draft(&lot.namespace, kind, to_group, input, id, &lot.moment)
                .await
        };
        let mut draft = prepared
            .await
            .inspect_err(|error| self.metrics.refused(error))?;
        draft.origin.source = lot.source;
        lot.drafts.push(draft);
        Ok(())
    }

    /// Publishes what was prepared: resolves when it is committed.
    pub(crate) async fn commit(
        &self,
        prepared: Prepared,
        chain: Option<Chain>,
    ) -> Result<Receipt, CodedError> {
        let Prepared {
            namespace,
            mut draft,
        } = prepared;
        let key = draft.key.take();
        match self.committer.append(namespace, draft, None, chain).await {
            Ok(record) => Ok(Receipt {
                published: Published::new(record.content.id, record.last),
                confirmed: record.content.created,
                record,
            }),
            Err(error) => Err(refused(error, key.as_deref())),
        }
    }

    /// Queues a lot for its commit.
    pub(crate) async fn enqueue(
        &self,
        lot: Lot,
        chain: Option<Chain>,
    ) -> Result<Pending, CodedError> {
        let Lot {
            namespace,
            mut drafts,
            ..
        } = lot;
        let keys = Pending::keys(&mut drafts);
        match self.committer.enqueue(namespace, drafts, chain).await {
            Ok(queued) => Ok(Pending::new(queued, keys)),
            Err(error) => Err(refused(error, None)),
        }
    }

    /// Creates a namespace and serves it. If the store fails in between, it is served with the next start.
    pub(crate) async fn create_namespace(
        &self,
        name: Namespace,
        description: String,
    ) -> Result<NamespaceInfo, CodedError> {
        let _one_at_a_time = self.admin.lock().await;
        let exists = || {
            let text = format!("A namespace with name '{name}' already exists");
            CodedError::new("FF10193", 409, text)
        };
        if self.namespaces.find(name.as_str()).is_some() {
            return Err(exists());
        }
        if self.namespaces.count() >= self.config.namespaces_max {
            let max = self.config.namespaces_max;
            let text = format!("There are {max} namespaces already ([engine] namespaces_max)");
            return Err(CodedError::bad_request("PH00430", text));
        }
        let info = NamespaceInfo::new(name.clone(), description, self.clock.now());
        match self.store.create_namespace(info.clone()).await {
            Ok(()) => {}
            Err(CreateNamespaceError::Exists) => return Err(exists()),
            Err(CreateNamespaceError::Store(error)) => return Err(unavailable(error)),
            Err(other) => return Err(CodedError::internal(other.to_string())),
        }
        let loaded = self
            .namespaces
            .load(&*self.store, info.clone(), self.config.tail_bytes_max);
        loaded.await.map_err(unavailable)?;
        Ok(info)
    }

    /// Publishes the answer to an event under its key, which makes it happen once. An answer that is no valid
    /// message is reported and dropped: the acknowledgement counts all the same.
    pub(crate) async fn publish_reply(
        &self,
        namespace: &Arc<NamespaceState>,
        event: &Event,
        mut reply: MessageInput,
        key: ReplyKey,
    ) -> Result<(), AppendError> {
        let group = event.record().content.group();
        reply.header.cid = Some(event.reference());
        let kind = match group.is_empty() {
            true => MessageKind::Broadcast,
            false => {
                reply.header.group = group.parse().ok();
                MessageKind::Private
            }
        };
        let to_group = kind == MessageKind::Private;
        let (id, moment) = (self.clock.new_id(), Moment::now(&*self.clock));
        let (id, input) = (MessageId::from_v7(id), MessageText::from(&reply));
        let publisher = self.publisher();
        let drafted = publisher.draft(namespace, kind, to_group, &input, id, &moment);
        let mut draft = match drafted.await {
            Ok(drafted) => drafted,
            Err(error) if error.status() < 503 => {
                warn!(event = %event.id(), %error, "a reply is not a valid message");
                return Ok(());
            }
            Err(error) => {
                let kind = StoreErrorKind::Unavailable;
                return Err(StoreError::new(kind, error.to_string()).into());
            }
        };
        draft.origin.source = Source::Reply;
        self.committer
            .append(namespace.clone(), draft, Some(key), None)
            .await
            .map(drop)
    }

    /// Whether the server is about to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Refuses what comes while the server stops.
    pub(crate) fn check_open(&self) -> Result<(), CodedError> {
        match self.is_stopping() {
            true => Err(CodedError::unavailable("The server is stopping")),
            false => Ok(()),
        }
    }

    /// Runs a change of several steps to its end, whether or not anybody waits for it: a request that is
    /// given up half-way must not leave half a change.
    pub(crate) async fn to_the_end<T, F>(
        self: &Arc<Self>,
        change: impl FnOnce(Arc<Self>) -> F,
    ) -> Result<T, CodedError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, CodedError>> + Send + 'static,
    {
        self.check_open()?;
        let changed = self.tasks.spawn(change(self.clone())).await;
        changed.unwrap_or_else(|error| Err(CodedError::internal(error.to_string())))
    }

    pub(crate) fn publisher(&self) -> Publisher<'_> {
        Publisher { core: self }
    }
}
