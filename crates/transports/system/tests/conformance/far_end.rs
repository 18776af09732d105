//! Who listens, as code within the server does?

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use photinus_conformance::transport::{
    Arrival, Attach, FarAnswer, FarConnection, FarEnd, FarError, FarEvent, Running, Skill, Subject,
    Token,
};
use photinus_contract::{BoxFuture, Outcome, SubscriptionOptions, TransportPlugin};
use photinus_transport_system::{Heard, Listener, Listeners, System};
use serde_json::json;

use crate::attaching::{ATTACH_TO, Attaching};

/// Under which name the transport runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Own,
    Attaching,
}

/// How a listener acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Each event by itself.
    Explicit,
    /// By asking for the next.
    Next,
}

pub(crate) fn subject(name: Name, manner: Manner) -> Subject {
    // Of the transport that was made last, which is the one that runs.
    let listeners = Arc::new(Mutex::new(System::new().listeners()));
    let made = listeners.clone();
    let plugin = move || -> Arc<dyn TransportPlugin> {
        let system = System::new();
        *made.lock().unwrap() = system.listeners();
        match name {
            Name::Own => Arc::new(system),
            Name::Attaching => Arc::new(Attaching(system)),
        }
    };
    Subject::new(plugin, move |_running| {
        let application = Application {
            manner,
            listeners: listeners.clone(),
            open: HashMap::new(),
            opened: 0,
        };
        Box::pin(async { Ok(Box::new(application) as Box<dyn FarEnd>) })
    })
}

struct Application {
    manner: Manner,
    listeners: Arc<Mutex<Listeners>>,
    open: HashMap<FarConnection, Open>,
    opened: u64,
}

struct Open {
    listener: Listener,
    /// Came while the one before was acknowledged.
    early: VecDeque<Heard>,
    /// By the number in their token.
    unanswered: HashMap<u64, Heard>,
    taken: u64,
}

impl Application {
    fn listen(&self, to: Attach) -> Result<Listener, FarError> {
        let (namespace, filter, options) = match to {
            Attach::Durable {
                namespace, name, ..
            } => {
                let mut options = SubscriptionOptions::default();
                options.other.insert(ATTACH_TO.to_owned(), json!(name));
                (namespace, Default::default(), options)
            }
            Attach::Ephemeral(wanted) => (wanted.namespace, wanted.filter, wanted.options),
            _ => return Err(failed("a listener cannot attach to this")),
        };
        let listeners = self.listeners.lock().unwrap().clone();
        let listener = listeners
            .listen(&namespace, filter, options)
            .map_err(|error| FarError::Refused(error.to_string()))?;
        Ok(match self.manner {
            Manner::Explicit => listener.explicit(),
            Manner::Next => listener,
        })
    }
}

impl Open {
    fn arrival(&mut self, heard: Heard) -> Arrival {
        self.taken += 1;
        let mut event = FarEvent::new(heard.event().id().to_string(), Token(json!(self.taken)));
        event.sequence = Some(heard.event().sequence().0);
        event.subscription = Some(heard.delivery().subscription.name.to_string());
        event.attempt = Some(heard.attempt());
        self.unanswered.insert(self.taken, heard);
        Arrival::Event(event)
    }

    /// Asks for the next, and does not wait for it.
    async fn ask_for_next(&mut self) {
        let heard = tokio::select! {
            biased;
            heard = self.listener.next() => heard,
            () = std::future::ready(()) => None,
        };
        self.early.extend(heard);
    }
}

impl FarEnd for Application {
    fn can(&self, skill: Skill) -> bool {
        match skill {
            // A listener is told of its one subscription when it begins, and takes events one by one.
            Skill::AttachEarly | Skill::SecondAttach | Skill::Batch | Skill::BatchItems => false,
            // An answer takes the event away.
            Skill::AnswerTwice => false,
            // Who has the next has acknowledged this one.
            Skill::AnyOrder | Skill::LateAnswer => self.manner == Manner::Explicit,
            _ => true,
        }
    }

    fn attach(&mut self, to: Attach) -> BoxFuture<'_, Result<FarConnection, FarError>> {
        Box::pin(async move {
            let open = Open {
                listener: self.listen(to)?,
                early: VecDeque::new(),
                unanswered: HashMap::new(),
                taken: 0,
            };
            self.opened += 1;
            let connection = FarConnection(self.opened);
            self.open.insert(connection, open);
            Ok(connection)
        })
    }

    fn receive(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<Arrival, FarError>> {
        Box::pin(async move {
            let open = self.open.get_mut(&connection).ok_or_else(gone)?;
            let heard = match open.early.pop_front() {
                Some(heard) => Some(heard),
                None => open.listener.next().await,
            };
            Ok(match heard {
                Some(heard) => open.arrival(heard),
                None => Arrival::Closed,
            })
        })
    }

    fn answer(
        &mut self,
        connection: FarConnection,
        token: Token,
        answer: FarAnswer,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        Box::pin(async move {
            let open = self.open.get_mut(&connection).ok_or_else(gone)?;
            let heard = token.0.as_u64().and_then(|it| open.unanswered.remove(&it));
            let heard = heard.ok_or_else(|| failed("it was answered already"))?;
            match answer {
                FarAnswer::Ack if self.manner == Manner::Next => {
                    drop(heard);
                    open.ask_for_next().await;
                }
                FarAnswer::Ack => heard.ack(),
                FarAnswer::Reply(reply) => {
                    heard.ack_with_reply(serde_json::from_value(reply).map_err(failed)?);
                }
                FarAnswer::Retry => heard.retry(None, "not now"),
                FarAnswer::Park(reason) => heard.settle(Outcome::Park { reason }),
                FarAnswer::Skip => heard.settle(Outcome::Skip {
                    reason: String::new(),
                }),
                _ => return Err(failed("a listener cannot say this")),
            }
            Ok(())
        })
    }

    fn cut(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<(), FarError>> {
        self.open.remove(&connection);
        Box::pin(std::future::ready(Ok(())))
    }

    fn restarted(&mut self, _running: Running) -> BoxFuture<'_, Result<(), FarError>> {
        self.open.clear();
        Box::pin(std::future::ready(Ok(())))
    }
}

fn gone() -> FarError {
    failed("there is no such connection")
}

fn failed(error: impl std::fmt::Display) -> FarError {
    FarError::Failed(error.to_string())
}
