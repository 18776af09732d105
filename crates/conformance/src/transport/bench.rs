//! What does a rule work with?

mod expect;

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use photinus_contract::{
    Callbacks, Capabilities, EventId, MessageId, MessageKind, Subscription, Transport,
};
use photinus_engine::{Engine, EngineConfig, Handle, Parts, SubscriptionInput};
use photinus_store_memory::MemoryStore;
use serde_json::{Value, json};
use tokio::time::timeout;

pub(super) use self::expect::is_attempt;
use super::far_end::{Attach, Ephemeral, FarConnection, FarEnd, Skill};
use super::journal::{Entry, Journal};
use super::recorder::{Recorder, Started};
use super::subject::{Running, Subject};
use super::verdict::{Fault, Kept};

/// How long the engine waits for a transport to stop.
pub(super) const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// How many changes wait in the engine for a connection that is busy.
const CHANGES_WAIT_MAX: NonZeroUsize = NonZeroUsize::new(2_000).expect("not zero");

/// A real engine in memory, with the transport under test and its far end.
pub(super) struct Bench {
    pub(super) subject: Subject,
    pub(super) store: MemoryStore,
    pub(super) handle: Handle,
    pub(super) journal: Arc<Journal>,
    pub(super) far: Box<dyn FarEnd>,
    pub(super) name: &'static str,
    pub(super) engine: Option<Engine>,
    started: Arc<OnceLock<Started>>,
    attached: Vec<FarConnection>,
}

/// An event that the suite published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) event: EventId,
    pub(super) message: MessageId,
    pub(super) sequence: i64,
}

impl Bench {
    pub(super) async fn start(subject: Subject) -> Result<Self, Fault> {
        let store = MemoryStore::new();
        let journal = Arc::new(Journal::new());
        let (engine, started, name) = start(&subject, &store, &journal).await?;
        let running = Running::new(transport(&started)?);
        let far = (subject.far_end)(running).await?;
        Ok(Self {
            handle: engine.handle(),
            subject,
            store,
            journal,
            far,
            name,
            engine: Some(engine),
            started,
            attached: Vec::new(),
        })
    }

    /// The application is gone, where it can be: a transport may say goodbye to those who are there, and wait
    /// for them.
    pub(super) async fn leave(&mut self) -> Kept {
        let attached = std::mem::take(&mut self.attached);
        if self.can(Skill::Cut) {
            for connection in attached {
                self.far.cut(connection).await?;
            }
        }
        Ok(())
    }

    /// Stops in an orderly way and starts on what is stored. The far end has to attach again.
    pub(super) async fn restart(&mut self) -> Kept {
        self.stop().await?;
        let (engine, started, _) = start(&self.subject, &self.store, &self.journal).await?;
        self.handle = engine.handle();
        self.engine = Some(engine);
        self.started = started;
        let running = Running::new(self.transport()?);
        Ok(self.far.restarted(running).await?)
    }

    /// Stops the engine, which stops the transport.
    pub(super) async fn stop(&mut self) -> Kept {
        let Some(engine) = self.engine.take() else {
            return Ok(());
        };
        let stopped = timeout(SHUTDOWN_MAX + self.subject.patience, engine.shutdown()).await;
        let stopped = stopped.map_err(|_| Fault::new("the engine does not stop"))?;
        stopped.map_err(|error| Fault(format!("the engine stopped with an error: {error}")))
    }

    /// The transport, watched as the engine sees it.
    pub(super) fn transport(&self) -> Result<Arc<dyn Transport>, Fault> {
        transport(&self.started)
    }

    /// What the transport calls.
    pub(super) fn callbacks(&self) -> Result<Arc<dyn Callbacks>, Fault> {
        let started = self.started.get();
        Ok(started.ok_or_else(not_started)?.callbacks.clone())
    }

    /// What the transport says that it can do.
    pub(super) fn capabilities(&self) -> Capabilities {
        self.transport()
            .map(|transport| transport.capabilities())
            .unwrap_or_default()
    }

    /// Calls the transport as the engine would, with an eye on how long it takes.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        what: &str,
        call: impl FnOnce(&dyn Transport) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let transport = self.transport()?;
        let calling = tokio::task::spawn_blocking(move || call(&*transport));
        match timeout(self.subject.patience, calling).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(Fault(format!("{what}: it panicked"))),
            Err(_) => Err(Fault(format!("{what}: the call does not return"))),
        }
    }

    /// Publishes this many messages with one event each.
    pub(super) async fn publish(&self, count: usize) -> Result<Vec<Sent>, Fault> {
        let mut sent = Vec::new();
        for _ in 0..count {
            let message = json!({"data": [{"value": "conformance"}]});
            sent.extend(self.send(message, 1).await?);
        }
        Ok(sent)
    }

    /// Publishes a message on one topic.
    pub(super) async fn publish_on(&self, topic: &str) -> Result<Sent, Fault> {
        let message = json!({"header": {"topics": [topic]}, "data": [{"value": topic}]});
        let sent = self.send(message, 1).await?;
        sent.first().copied().ok_or_else(|| Fault::new("no event"))
    }

    /// Publishes a message of which so many events result.
    pub(super) async fn send(&self, message: Value, events: usize) -> Result<Vec<Sent>, Fault> {
        let input = serde_json::from_value(message).map_err(own)?;
        let receipt = self
            .handle
            .publish("default", MessageKind::Broadcast, input)
            .await
            .map_err(own)?;
        let published = receipt.published;
        let first = published.sequence.0 + 1 - events as i64;
        Ok((0..events)
            .map(|index| Sent {
                event: published.id.event(index),
                message: published.id,
                sequence: first + index as i64,
            })
            .collect())
    }

    /// A durable subscription from the oldest event on.
    pub(super) async fn subscribe(
        &mut self,
        name: &str,
        options: Value,
    ) -> Result<Arc<Subscription>, Fault> {
        self.put(name, json!({}), options).await
    }

    /// Creates a durable subscription, or changes it.
    pub(super) async fn put(
        &mut self,
        name: &str,
        filter: Value,
        options: Value,
    ) -> Result<Arc<Subscription>, Fault> {
        let mut all = self.far.options(name);
        all.insert("firstEvent".to_owned(), json!("oldest"));
        if let Value::Object(options) = options {
            all.extend(options);
        }
        let input: SubscriptionInput = serde_json::from_value(
            json!({"name": name, "transport": self.name, "filter": filter, "options": all}),
        )
        .map_err(own)?;
        let put = self.handle.put_subscription("default", input);
        let put = timeout(self.subject.patience, put)
            .await
            .map_err(|_| Fault::new("a subscription cannot be created or changed"))?;
        put.map_err(|error| Fault(format!("the subscription '{name}' was refused: {error}")))
    }

    /// Attaches a new connection to a durable subscription.
    pub(super) async fn attach(&mut self, name: &str) -> Result<FarConnection, Fault> {
        let to = self.durable(name);
        let connection = self.far.attach(to).await?;
        self.attached.push(connection);
        Ok(connection)
    }

    pub(super) fn durable(&self, name: &str) -> Attach {
        let stored = self.handle.subscriptions("default");
        let stored = stored.iter().find(|stored| *stored.name == *name);
        Attach::Durable {
            namespace: "default".to_owned(),
            name: name.to_owned(),
            options: stored
                .map(|stored| stored.revealed_options())
                .unwrap_or_default(),
        }
    }

    /// Attaches a new connection to an ephemeral subscription, and waits until it has begun.
    pub(super) async fn attach_ephemeral(
        &mut self,
    ) -> Result<(FarConnection, Arc<Subscription>), Fault> {
        let options: Value = self.far.options("").into();
        let options = serde_json::from_value(options).map_err(own)?;
        let mark = self.journal.mark();
        let to = Attach::Ephemeral(Ephemeral::new(options));
        let connection = self.far.attach(to).await?;
        let begun = self.wait(mark, |entry| match entry {
            Entry::Ephemeral(_, result) => Some(result.clone()),
            _ => None,
        });
        match begun.await {
            Some(Ok(subscription)) => Ok((connection, subscription)),
            Some(Err(error)) => Err(Fault(format!("the engine refused it: {error}"))),
            None => Err(Fault::new(
                "the far end asked for an ephemeral subscription, and ephemeral_subscription was not called",
            )),
        }
    }

    /// How many events a rule has in flight that wants several, where the far end can hold them.
    pub(super) fn width(&self) -> usize {
        if self.can(Skill::AnyOrder) { 3 } else { 1 }
    }

    /// How many changes wait in the engine for a connection that is busy.
    pub(super) fn changes_wait_max(&self) -> usize {
        CHANGES_WAIT_MAX.get()
    }

    pub(super) fn can(&self, skill: Skill) -> bool {
        self.far.can(skill)
    }
}

async fn start(
    subject: &Subject,
    store: &MemoryStore,
    journal: &Arc<Journal>,
) -> Result<(Engine, Arc<OnceLock<Started>>, &'static str), Fault> {
    let mut config = EngineConfig::default();
    config.shards = 1;
    config.offset_flush_ms = 2;
    config.change_queue_max = CHANGES_WAIT_MAX;
    // The rule about full transports wants to be held back by the transport alone.
    config.window_bytes_max =
        std::num::NonZeroUsize::new(64 << 20).unwrap_or(config.window_bytes_max);
    let engine = Engine::start(Parts::new(Arc::new(store.clone()), config))
        .await
        .map_err(own)?;
    let started = Arc::new(OnceLock::new());
    let recorder = Recorder {
        inner: (subject.plugin)(),
        journal: journal.clone(),
        started: started.clone(),
    };
    let name = recorder.inner.name();
    let starting = engine.start_transport(&recorder, subject.config.clone());
    let starting = timeout(subject.patience, starting).await;
    starting
        .map_err(|_| Fault::new("init does not end"))?
        .map_err(|error| Fault(error.to_string()))?;
    Ok((engine, started, name))
}

fn transport(started: &OnceLock<Started>) -> Result<Arc<dyn Transport>, Fault> {
    Ok(started.get().ok_or_else(not_started)?.transport.clone())
}

fn not_started() -> Fault {
    Fault::new("the transport does not run")
}

/// Trouble of the suite itself.
pub(super) fn own(error: impl std::fmt::Display) -> Fault {
    Fault(format!("the suite cannot go on: {error}"))
}
