//! How does a transport break its promises?
//!
//! [`Wrong`] is the right transport with one [`Fault`]: it stands between it and the engine and alters what
//! passes, in either direction.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use photinus_contract::transport::HttpMount;
use photinus_contract::*;
use serde_json::{Value, json};

use crate::callbacks::WrongCallbacks;
use crate::faults::Fault;
use crate::right::Right;

pub(crate) struct Wrong {
    pub(crate) fault: Fault,
    pub(crate) right: Right,
}

impl TransportPlugin for Wrong {
    fn name(&self) -> &'static str {
        self.right.name()
    }

    fn config_schema(&self) -> Value {
        self.right.config_schema()
    }

    fn check_config(&self, config: &Value) -> Result<(), String> {
        match self.fault {
            Fault::ConfigTakesAnything => Ok(()),
            Fault::ConfigHidesTheKey => {
                let checked = self.right.check_config(config);
                checked.map_err(|_| "there is an unknown key".to_owned())
            }
            _ => self.right.check_config(config),
        }
    }

    fn init(
        &self,
        config: Value,
        callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        let shared = Arc::new(Shared {
            fault: self.fault,
            callbacks,
            inner: OnceLock::new(),
            memory: Mutex::default(),
        });
        let altered = Arc::new(WrongCallbacks(shared.clone()));
        let starting = self.right.init(config, altered);
        Box::pin(async move {
            let _ = shared.inner.set(starting.await?);
            let transport: Arc<dyn Transport> = Arc::new(WrongTransport(shared));
            Ok(transport)
        })
    }
}

pub(crate) struct Shared {
    pub(crate) fault: Fault,
    pub(crate) callbacks: Arc<dyn Callbacks>,
    inner: OnceLock<Arc<dyn Transport>>,
    pub(crate) memory: Mutex<Memory>,
}

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) given: Vec<Given>,
    pub(crate) batches: Vec<DeliveryId>,
    held: Vec<Delivery>,
    pub(crate) ephemeral: Option<Arc<Subscription>>,
    pub(crate) secret: String,
    full: bool,
    stopped: bool,
}

#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) connection: ConnectionId,
    pub(crate) subscription: SubscriptionId,
    pub(crate) delivery: DeliveryId,
    pub(crate) event: EventId,
    pub(crate) voided: bool,
    pub(crate) answered: bool,
}

impl Shared {
    fn inner(&self) -> &Arc<dyn Transport> {
        self.inner.get().unwrap()
    }

    /// Hands over what was held back, as far as it is taken.
    pub(crate) fn hand_over_held(&self) {
        loop {
            let next = self.memory.lock().unwrap().held.first().cloned();
            let Some(next) = next else { return };
            if self.inner().deliver(next) != HandOver::Ok {
                return;
            }
            self.memory.lock().unwrap().held.remove(0);
        }
    }
}

struct WrongTransport(Arc<Shared>);

impl WrongTransport {
    /// What becomes of a delivery that the right transport cannot take.
    fn full(&self, delivery: Delivery) -> HandOver {
        let mut memory = self.0.memory.lock().unwrap();
        match self.0.fault {
            Fault::HoldsWithoutBound => {
                memory.held.push(delivery);
                HandOver::Ok
            }
            Fault::LosesWhenFull if !std::mem::replace(&mut memory.full, true) => HandOver::Ok,
            Fault::BlocksWhenFull => {
                drop(memory);
                // Not for ever, so that the test can end.
                std::thread::sleep(Duration::from_secs(5));
                HandOver::Busy(Wait::Connection)
            }
            _ => HandOver::Busy(Wait::Connection),
        }
    }
}

impl Transport for WrongTransport {
    fn capabilities(&self) -> Capabilities {
        self.0.inner().capabilities()
    }

    fn options_schema(&self) -> Value {
        let mut schema = self.0.inner().options_schema();
        match self.0.fault {
            Fault::SchemaIsNone => schema["properties"]["mode"] = json!({"type": "choice"}),
            Fault::SchemaIsNarrower => schema["properties"]["rate"]["maximum"] = json!(50),
            _ => {}
        }
        schema
    }

    fn validate(&self, options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        let secret = options.other.get("password");
        let secret = secret.map(Value::to_string).unwrap_or_default();
        match self.0.fault {
            Fault::SchemaIsWider if options.other.contains_key("rate") => {
                Err(CodedError::bad_request("PH00999", "rate: not on a Sunday"))
            }
            Fault::SecretInError => self.0.inner().validate(options).map_err(|error| {
                CodedError::bad_request("PH00999", format!("{error}; the password is {secret}"))
            }),
            _ => {
                let valid = self.0.inner().validate(options);
                if valid.is_ok() && !secret.is_empty() {
                    self.0.memory.lock().unwrap().secret = secret;
                }
                valid
            }
        }
    }

    fn deliver(&self, mut delivery: Delivery) -> HandOver {
        let shared = &self.0;
        let given = {
            let mut memory = shared.memory.lock().unwrap();
            memory.given.push(Given {
                connection: delivery.connection.clone(),
                subscription: delivery.subscription.id,
                delivery: delivery.id,
                event: delivery.event.id(),
                voided: false,
                answered: false,
            });
            memory.given.len()
        };
        match shared.fault {
            Fault::SwapsEvents if given == 2 => {
                shared.memory.lock().unwrap().held.push(delivery);
                return HandOver::Ok;
            }
            Fault::SwapsEvents if given == 3 => {
                let hand_over = shared.inner().deliver(delivery);
                shared.hand_over_held();
                return hand_over;
            }
            Fault::ShowsAnotherAttempt => delivery.attempt += 1,
            Fault::HoldsWithoutBound if !shared.memory.lock().unwrap().held.is_empty() => {
                return self.full(delivery);
            }
            Fault::AnswersWhatFailed if given == 2 => {
                let _ = shared.inner().deliver(delivery);
                return HandOver::Failed("it did not work".to_owned());
            }
            Fault::SecretInLog => {
                let password = shared.memory.lock().unwrap().secret.clone();
                tracing::debug!(password, "it is handed over");
            }
            Fault::PanicsInATask => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a transport that does this is wrong"
                )]
                tokio::spawn(async { panic!("a task of the transport panicked") });
            }
            Fault::AnswersStrangers => {
                let stranger = DeliveryId::new(delivery.id.epoch(), delivery.id.number() + 1_000);
                let response = Response::new(delivery.subscription.id, stranger, Outcome::ack());
                shared.callbacks.respond(&delivery.connection, response);
            }
            _ => {}
        }
        let again = delivery.clone();
        match shared.inner().deliver(delivery) {
            HandOver::Busy(_) => self.full(again),
            HandOver::Closed if shared.fault == Fault::OkWhenClosed => HandOver::Ok,
            HandOver::Closed if shared.fault == Fault::PanicsWhenClosed => {
                panic!("there is no such connection")
            }
            HandOver::Closed
                if shared.fault == Fault::TakesAfterShutdown
                    && shared.memory.lock().unwrap().stopped =>
            {
                HandOver::Ok
            }
            HandOver::Ok if shared.fault == Fault::TakesAndSaysBusy && given % 40 == 0 => {
                HandOver::Busy(Wait::Connection)
            }
            other => other,
        }
    }

    fn deliver_batch(&self, mut batch: Batch) -> HandOver {
        self.0.memory.lock().unwrap().batches.push(batch.id);
        if self.0.fault == Fault::ReversesBatches {
            batch.items.reverse();
        }
        self.0.inner().deliver_batch(batch)
    }

    fn voided(
        &self,
        connection: &ConnectionId,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        reason: VoidReason,
    ) {
        let known = {
            let mut memory = self.0.memory.lock().unwrap();
            let mut known = false;
            for given in &mut memory.given {
                if (given.subscription, given.delivery) == (subscription, delivery) {
                    given.voided = true;
                    known = true;
                }
            }
            known
        };
        match self.0.fault {
            Fault::PanicsAtStrangers if !known => panic!("who is this?"),
            Fault::SlowWhenVoided => std::thread::sleep(Duration::from_millis(600)),
            _ => {}
        }
        self.0
            .inner()
            .voided(connection, subscription, delivery, reason);
    }

    fn change_event(&self, connection: &ConnectionId, change: &ChangeEvent) -> HandOver {
        if self.0.fault == Fault::SwallowsTheDropped && change.dropped_count.is_some() {
            return HandOver::Ok;
        }
        let told = self.0.inner().change_event(connection, change);
        match (self.0.fault, &told) {
            (Fault::LosesChangesWhenFull, HandOver::Busy(_)) => HandOver::Ok,
            (Fault::BlocksOnChanges, HandOver::Busy(_)) => {
                // Not for ever, so that the test can end.
                std::thread::sleep(Duration::from_secs(2));
                told
            }
            (Fault::AcksChanges, HandOver::Ok) => {
                let id = DeliveryId::new(1, 1);
                let subscription = SubscriptionId(change.id.unwrap_or_default());
                let response = Response::new(subscription, id, Outcome::ack());
                self.0.callbacks.respond(connection, response);
                told
            }
            (Fault::TakesChangesOfStrangers, HandOver::Closed) => HandOver::Ok,
            _ => told,
        }
    }

    fn http_mounts(&self) -> Vec<HttpMount> {
        self.0.inner().http_mounts()
    }

    fn status(&self) -> Option<Value> {
        match self.0.fault {
            Fault::SecretInStatus => {
                let secret = self.0.memory.lock().unwrap().secret.clone();
                Some(json!({"subscriptions": [{"password": secret}]}))
            }
            _ => self.0.inner().status(),
        }
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        let shared = self.0.clone();
        if shared.fault == Fault::AcksAtShutdown {
            let given = std::mem::take(&mut shared.memory.lock().unwrap().given);
            for given in given.into_iter().filter(|given| !given.answered) {
                let response = Response::new(given.subscription, given.delivery, Outcome::ack());
                shared.callbacks.respond(&given.connection, response);
            }
        }
        Box::pin(async move {
            shared.inner().shutdown().await;
            shared.memory.lock().unwrap().stopped = true;
            if shared.fault == Fault::HangsInShutdown {
                std::future::pending::<()>().await;
            }
        })
    }
}
