//! Who calls the right transport as an application does?

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use photinus_conformance::transport::{
    Arrival, Attach, FarAnswer, FarBatch, FarConnection, FarEnd, FarError, FarEvent, Running,
    Skill, Token,
};
use photinus_contract::{
    BoxFuture, ConnectionId, DeliveryId, EventId, Outcome, Response, SubscriptionId,
};
use serde_json::{Map, Value, json};

use crate::right::{Office, Parcel, Right};

pub(crate) struct Callers {
    right: Right,
    office: Arc<Office>,
    open: HashMap<FarConnection, ConnectionId>,
    opened: u64,
}

impl Callers {
    pub(crate) fn start(right: &Right) -> Box<dyn FarEnd> {
        Box::new(Self {
            office: right.office(),
            right: right.clone(),
            open: HashMap::new(),
            opened: 0,
        })
    }

    fn connection(&self, connection: FarConnection) -> Result<&ConnectionId, FarError> {
        let found = self.open.get(&connection);
        found.ok_or_else(|| FarError::Failed("there is no such connection".to_owned()))
    }

    fn attach_now(&self, connection: FarConnection, to: Attach) -> Result<(), FarError> {
        let id = self.connection(connection)?;
        let attached = match to {
            Attach::Durable { name, .. } => self.office.attach(id, &name),
            Attach::Ephemeral(wanted) => self
                .office
                .attach_ephemeral(id, &wanted.namespace, wanted.filter, wanted.options)
                .map(drop),
            Attach::Changes { namespace, filter } => {
                self.office.attach_changes(id, &namespace, filter)
            }
            other => panic!("{other:?}"),
        };
        attached.map_err(|error| FarError::Refused(error.to_string()))
    }
}

impl FarEnd for Callers {
    fn can(&self, _skill: Skill) -> bool {
        true
    }

    fn options(&mut self, _name: &str) -> Map<String, Value> {
        Map::from_iter([("mode".to_owned(), json!("safe"))])
    }

    fn attach(&mut self, to: Attach) -> BoxFuture<'_, Result<FarConnection, FarError>> {
        self.opened += 1;
        let connection = FarConnection(self.opened);
        self.open.insert(connection, self.office.open());
        let attached = self.attach_now(connection, to);
        Box::pin(async move { attached.map(|()| connection) })
    }

    fn attach_also(
        &mut self,
        connection: FarConnection,
        to: Attach,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        let attached = self.attach_now(connection, to);
        Box::pin(async move { attached })
    }

    fn receive(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<Arrival, FarError>> {
        Box::pin(async move {
            let id = self.connection(connection)?;
            Ok(match self.office.receive(id).await {
                None => Arrival::Closed,
                Some(Parcel::Event(it)) => {
                    let token = token(it.subscription.id, it.id);
                    let mut event = event(it.event.id(), it.attempt, token);
                    event.subscription = Some(it.subscription.name.to_string());
                    event.sequence = Some(it.event.sequence().0);
                    Arrival::Event(event)
                }
                Some(Parcel::Change(change)) => {
                    Arrival::Change(serde_json::to_value(change).unwrap())
                }
                Some(Parcel::Batch(it)) => {
                    let token = |id| token(it.subscription.id, id);
                    let items = it.items.iter();
                    let items = items.map(|i| event(i.event.id(), i.attempt, token(i.id)));
                    Arrival::Batch(FarBatch::new(items.collect(), token(it.id)))
                }
            })
        })
    }

    fn answer(
        &mut self,
        connection: FarConnection,
        token: Token,
        answer: FarAnswer,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        let (subscription, delivery) = ids(&token);
        let response = Response::new(subscription, delivery, outcome(answer));
        let answered = self
            .connection(connection)
            .map(|id| self.office.answer(id, response));
        Box::pin(async move { answered })
    }

    fn answer_items(
        &mut self,
        connection: FarConnection,
        batch: FarBatch,
        items: BTreeMap<usize, FarAnswer>,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        let (subscription, delivery) = ids(&batch.token);
        let items = items
            .into_iter()
            .map(|(place, answer)| (ids(&batch.events[place].token).1, outcome(answer)))
            .collect();
        let response = Response::new(subscription, delivery, Outcome::ack()).with_items(items);
        let answered = self
            .connection(connection)
            .map(|id| self.office.answer(id, response));
        Box::pin(async move { answered })
    }

    fn cut(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<(), FarError>> {
        if let Some(id) = self.open.remove(&connection) {
            self.office.close(&id);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn restarted(&mut self, _running: Running) -> BoxFuture<'_, Result<(), FarError>> {
        self.office = self.right.office();
        self.open.clear();
        Box::pin(std::future::ready(Ok(())))
    }
}

fn event(id: EventId, attempt: u32, token: Token) -> FarEvent {
    let mut event = FarEvent::new(id.to_string(), token);
    event.attempt = Some(attempt);
    event
}

fn token(subscription: SubscriptionId, delivery: DeliveryId) -> Token {
    Token(json!([subscription, delivery.to_string()]))
}

fn ids(token: &Token) -> (SubscriptionId, DeliveryId) {
    let delivery = token.0[1].as_str().unwrap();
    (
        serde_json::from_value(token.0[0].clone()).unwrap(),
        delivery.parse().unwrap(),
    )
}

fn outcome(answer: FarAnswer) -> Outcome {
    match answer {
        FarAnswer::Ack => Outcome::ack(),
        FarAnswer::Reply(reply) => Outcome::Acknowledge {
            reply: Some(serde_json::from_value(reply).unwrap()),
        },
        FarAnswer::Retry => Outcome::retry("the application asks for it"),
        FarAnswer::Park(reason) => Outcome::Park { reason },
        FarAnswer::Skip => Outcome::Skip {
            reason: "the application does not want it".to_owned(),
        },
        other => panic!("{other:?}"),
    }
}
