//! What do the applications answer?

use std::time::Duration;

use photinus_contract::{ConnectionId, DeliveryId, MessageInput, Outcome, Response, Timestamp};
use photinus_engine::Clock;
use serde_json::json;

use super::{Given, World};
use crate::oracle::lock;
use crate::wanted::REPLY_TAG;

impl World {
    /// Answers a delivery that waits for it, more often an old one.
    pub(super) fn answer(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let index = match self.dice.percent(60) {
            true => 0,
            false => self.dice.below(self.open.len()),
        };
        let given = self.open.remove(index);
        let response = self.response(&given);
        self.respond(given.node, &given.connection.clone(), response);
        self.answered.push_back(given);
    }

    /// Answers a delivery that was voided: over its connection, or over another that is there now.
    pub(super) fn answer_late(&mut self) {
        if self.void.is_empty() {
            return;
        }
        let index = self.dice.below(self.void.len());
        if let Some(given) = self.void.remove(index) {
            self.answer_somewhere(given);
        }
    }

    /// Answers a second time.
    pub(super) fn answer_again(&mut self) {
        if self.answered.is_empty() {
            return;
        }
        let index = self.dice.below(self.answered.len());
        let given = self.answered[index].clone();
        self.answer_somewhere(given);
    }

    /// Answers over a connection that did not get the delivery.
    pub(super) fn answer_elsewhere(&mut self) {
        let index = self.dice.below(self.open.len());
        let Some(given) = self.open.get(index).cloned() else {
            return;
        };
        let Some(place) = self.some_node() else {
            return;
        };
        let others = self.nodes[place].connections.keys();
        let others: Vec<ConnectionId> = others
            .filter(|id| **id != given.connection)
            .cloned()
            .collect();
        if others.is_empty() {
            return;
        }
        let other = self.dice.pick(&others);
        let response = self.response(&given);
        self.history.count("answers from elsewhere");
        self.respond(self.nodes[place].number, &other, response);
    }

    fn answer_somewhere(&mut self, given: Given) {
        let Some(place) = self.some_node() else {
            return;
        };
        let connections: Vec<ConnectionId> =
            self.nodes[place].connections.keys().cloned().collect();
        let response = self.response(&given);
        match self.place_of(given.node) {
            Some(_) if connections.is_empty() || self.dice.percent(70) => {
                self.respond(given.node, &given.connection, response);
            }
            _ if connections.is_empty() => {}
            _ => {
                let connection = self.dice.pick(&connections);
                self.respond(self.nodes[place].number, &connection, response);
            }
        }
    }

    /// Gives an answer to an engine, if it is still there.
    pub(super) fn respond(&mut self, node: usize, connection: &ConnectionId, response: Response) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        lock(&self.oracle).answers(node, connection, &response);
        self.nodes[place].callbacks.respond(connection, response);
    }

    /// An answer to a delivery, or to a batch as a whole or event by event.
    fn response(&mut self, given: &Given) -> Response {
        let (subscription, id) = (given.subscription, given.id);
        if given.items.is_empty() {
            return Response::new(subscription, id, self.outcome());
        }
        let whole = self.outcome_of_many();
        let response = Response::new(subscription, id, whole);
        if self.dice.percent(50) {
            return response;
        }
        let mut items: Vec<(DeliveryId, Outcome)> = Vec::new();
        for item in &given.items {
            if self.dice.percent(50) {
                items.push((*item, self.outcome()));
            }
        }
        response.with_items(items)
    }

    fn outcome(&mut self) -> Outcome {
        let plain = self.dice.percent(self.plan.acknowledged);
        if plain || self.dice.percent(self.plan.going_back) {
            return match plain {
                true => Outcome::ack(),
                false => self.going_back(),
            };
        }
        match self.dice.below(100) {
            0..50 => Outcome::Acknowledge {
                reply: Some(Box::new(self.reply())),
            },
            50..80 => {
                let reason = format!("k{}", self.marker());
                Outcome::Park { reason }
            }
            _ => Outcome::Skip {
                reason: "not for us".to_owned(),
            },
        }
    }

    /// An outcome that may stand for several events.
    fn outcome_of_many(&mut self) -> Outcome {
        if self.dice.percent(self.plan.acknowledged) {
            return Outcome::ack();
        }
        match self.dice.percent(70) {
            true => self.going_back(),
            false => Outcome::Skip {
                reason: "not for us".to_owned(),
            },
        }
    }

    fn going_back(&mut self) -> Outcome {
        let delay = match self.dice.below(3) {
            0 => None,
            1 => Some(Duration::ZERO),
            _ => Some(Duration::from_millis(self.dice.between(1, 3_000))),
        };
        if self.dice.percent(85) {
            return Outcome::Retry {
                delay,
                counted: self.dice.percent(70),
                reason: "not now".to_owned(),
            };
        }
        let until = self.dice.percent(85).then(|| {
            let wait = self.dice.between(0, 15_000) as i64 * 1_000_000;
            Timestamp::from_nanos(self.clock.now().as_nanos() + wait)
        });
        Outcome::Pause {
            until,
            reason: "closed for now".to_owned(),
        }
    }

    fn reply(&mut self) -> MessageInput {
        let author = format!("r{}", self.marker());
        let header = json!({"author": author, "tag": REPLY_TAG});
        let reply = json!({"header": header, "data": [{"value": author}]});
        serde_json::from_value(reply).expect("a reply is a message")
    }

    fn marker(&mut self) -> u64 {
        self.markers += 1;
        self.markers
    }
}
