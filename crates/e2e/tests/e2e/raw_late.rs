//! Are answers that come late taken, and do they change nothing?
//!
//! What makes a delivery void is crossed with every form in which its answer may still arrive.

use photinus_e2e::{Heard, RawSocket, Rest, Server};
use serde_json::{Value, json};

/// What makes deliveries void while their connection lives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Voided {
    /// A nack of the first of them, which is that one's answer.
    Nack,
    /// A change of the subscription.
    Put,
    /// Its end; the next of the same name begins anew.
    Delete,
}

/// How an answer names what it answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Id,
    IdAndSubscription,
    IdAndDelivery,
    Delivery,
    Nothing,
}

pub(crate) const FORMS: [Form; 5] = [
    Form::Id,
    Form::IdAndSubscription,
    Form::IdAndDelivery,
    Form::Delivery,
    Form::Nothing,
];

impl Form {
    /// This answer to an event, in this form.
    pub(crate) fn answer(self, answer: &Value, event: &Value) -> Value {
        let keys: &[&str] = match self {
            Form::Id => &["id"],
            Form::IdAndSubscription => &["id", "subscription"],
            Form::IdAndDelivery => &["id", "delivery"],
            // It is unique within its subscription.
            Form::Delivery => &["delivery", "subscription"],
            Form::Nothing => &[],
        };
        let mut answer = answer.clone();
        for key in keys {
            answer[key] = event[key].clone();
        }
        answer
    }
}

/// A subscription of its own on a server of all, with four events of which three are in flight at a time.
struct World<'a> {
    server: &'a Server,
    rest: Rest,
    name: String,
}

impl<'a> World<'a> {
    fn new(server: &'a Server, number: usize) -> Self {
        let world = Self {
            server,
            rest: server.rest(),
            name: format!("app{number}"),
        };
        world.put("^message");
        for number in 1..=4 {
            world.publish(number);
        }
        world
    }

    fn put(&self, events: &str) -> Value {
        let body = json!({
            "name": self.name, "filter": {"events": events, "topic": format!("^{}-", self.name)},
            "options": {"firstEvent": "oldest", "readAhead": 2},
        });
        self.rest.put("/api/v1/subscriptions", &body).expect(200)
    }

    fn topic(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    fn publish(&self, number: usize) {
        self.rest.broadcast(&self.topic(number), "t");
    }

    fn open(&self) -> RawSocket {
        let mut socket = RawSocket::open(self.server.address(), "/ws");
        socket.start(&self.name);
        socket
    }

    /// The next three events.
    #[track_caller]
    fn three(&self, socket: &mut RawSocket) -> Vec<Value> {
        (1..=3)
            .map(|number| socket.receive_topic(&self.topic(number)))
            .collect()
    }

    /// A connection that has received the three events twice: the voided ones that may still be answered, and
    /// the current ones.
    #[track_caller]
    fn second_pass(&self, voided: Voided) -> (RawSocket, Vec<Value>, Vec<Value>) {
        let mut socket = self.open();
        let mut old = self.three(&mut socket);
        match voided {
            Voided::Nack => {
                let nack = json!({"type": "nack", "delay": "1ms"});
                socket.send(&Form::IdAndDelivery.answer(&nack, &old.remove(0)));
            }
            Voided::Put => drop(self.put("^message_c")),
            Voided::Delete => {
                let id = old[0]["subscription"]["id"].as_str().unwrap();
                let path = format!("/api/v1/subscriptions/{id}");
                assert_eq!(self.rest.delete(&path).status, 204);
                self.put("^message");
            }
        }
        let current = self.three(&mut socket);
        (socket, old, current)
    }
}

#[track_caller]
pub(crate) fn refused(socket: &mut RawSocket, frame: &Value) {
    socket.send(frame);
    let error = loop {
        match socket.hear() {
            Heard::Json(frame) if frame["type"] == "protocol_error" => break frame,
            Heard::Json(_) => {}
            other => panic!("expected an error for {frame}, not {other:?}"),
        }
    };
    let error = error["error"].as_str().unwrap();
    assert!(
        error.starts_with("FF10176: Invalid data: FF10175: "),
        "{frame}: {error}"
    );
    socket.expect_end(1008);
}

fn ways() -> impl Iterator<Item = (usize, Voided, Form)> {
    [Voided::Nack, Voided::Put, Voided::Delete]
        .into_iter()
        .flat_map(|voided| FORMS.map(|form| (voided, form)))
        .enumerate()
        .map(|(number, (voided, form))| (number, voided, form))
}

#[test]
fn an_answer_to_a_voided_delivery_changes_nothing_in_whatever_form() {
    let server = Server::start();
    let answers = [
        json!({"type": "ack"}),
        json!({"type": "nack"}),
        json!({"type": "nack", "action": "park"}),
        json!({"type": "nack", "action": "skip"}),
    ];
    for (number, voided, form) in ways() {
        for (kind, answer) in answers.iter().enumerate() {
            let world = World::new(&server, number * answers.len() + kind);
            let what = format!("{voided:?} {form:?} {answer}");
            let (mut socket, old, current) = world.second_pass(voided);
            for event in &old {
                socket.send(&form.answer(answer, event));
            }
            // No error, and nothing comes of it.
            assert_eq!(socket.settle(), Vec::<Value>::new(), "{what}");
            socket.close();
            let mut socket = world.open();
            let again = world.three(&mut socket);
            for (again, current) in again.iter().zip(&current) {
                assert_eq!(again["attempt"], current["attempt"], "{what}");
                assert_eq!(again["subscription"], current["subscription"], "{what}");
            }
        }
    }
}

#[test]
fn after_the_late_answers_the_next_ones_count() {
    let server = Server::start();
    let ack = json!({"type": "ack"});
    for (number, voided, form) in ways() {
        let world = World::new(&server, number);
        let what = format!("{voided:?} {form:?}");
        let (mut socket, old, current) = world.second_pass(voided);
        for event in old.iter().chain(&current) {
            socket.send(&form.answer(&ack, event));
        }
        let event = socket.receive_topic(&world.topic(4));
        // One more of the same is one too many; and it is no answer to the event that is in flight now.
        refused(
            &mut socket,
            &Form::IdAndSubscription.answer(&ack, &current[0]),
        );
        let mut socket = world.open();
        let again = socket.receive_topic(&world.topic(4));
        assert_eq!(again["id"], event["id"], "{what}");
    }
}

#[test]
fn a_named_delivery_is_settled_while_late_answers_are_still_to_come() {
    let server = Server::start();
    let ack = json!({"type": "ack"});
    for (number, voided) in [Voided::Nack, Voided::Put, Voided::Delete]
        .into_iter()
        .enumerate()
    {
        for (kind, form) in [Form::IdAndDelivery, Form::Delivery, Form::IdAndSubscription]
            .into_iter()
            .enumerate()
        {
            // The subscription names no delivery, except where the other one was of another subscription.
            if form == Form::IdAndSubscription && voided != Voided::Delete {
                continue;
            }
            let world = World::new(&server, number * 3 + kind);
            let what = format!("{voided:?} {form:?}");
            let (mut socket, old, current) = world.second_pass(voided);
            // Naming also the subscription, which is another one after a deletion.
            for event in &current {
                let mut ack = form.answer(&ack, event);
                ack["subscription"] = event["subscription"].clone();
                socket.send(&ack);
            }
            socket.receive_topic(&world.topic(4));
            // The late ones, last to first, and each once.
            for event in old.iter().rev() {
                let mut ack = form.answer(&ack, event);
                ack["subscription"] = event["subscription"].clone();
                socket.send(&ack);
            }
            assert_eq!(socket.settle(), Vec::<Value>::new(), "{what}");
            let mut again = form.answer(&ack, &old[0]);
            again["subscription"] = old[0]["subscription"].clone();
            refused(&mut socket, &again);
        }
    }
}

#[test]
fn the_actions_of_a_nack_are_for_the_delivery_in_its_turn() {
    let server = Server::start();
    for (number, form) in [Form::Id, Form::IdAndSubscription].into_iter().enumerate() {
        let world = World::new(&server, number);
        let (mut socket, old, current) = world.second_pass(Voided::Put);
        let park = json!({"type": "nack", "action": "park", "reason": "late"});
        let skip = json!({"type": "nack", "action": "skip"});
        // The first answer to each event is late, the second is not.
        for _ in 0..2 {
            socket.send(&form.answer(&park, &old[0]));
            socket.send(&form.answer(&skip, &old[1]));
        }
        socket.ack(&old[2]);
        // The gap is filled up to the third, which is in flight still; a retry of it counts.
        socket.receive_topic(&world.topic(4));
        socket.send(&json!({"type": "nack", "id": current[2]["id"], "delay": "1ms"}));
        assert_eq!(socket.receive_topic(&world.topic(3))["attempt"], 2);
        socket.close();
        let mut socket = world.open();
        socket.receive_topic(&world.topic(3));
        socket.receive_topic(&world.topic(4));
    }
}

#[test]
fn a_new_socket_may_answer_what_the_old_one_received() {
    let server = Server::start();
    let ack = json!({"type": "ack"});
    for (number, form) in FORMS.into_iter().enumerate() {
        let world = World::new(&server, number);
        let mut socket = world.open();
        let old = world.three(&mut socket);
        socket.reset();
        let mut socket = world.open();
        let current = world.three(&mut socket);
        match form {
            // Named, each is for its own delivery, and the old ones change nothing.
            Form::IdAndDelivery | Form::Delivery => {
                for event in &old {
                    socket.send(&form.answer(&ack, event));
                }
                assert_eq!(socket.settle(), Vec::<Value>::new(), "{form:?}");
                for event in &current {
                    socket.send(&form.answer(&ack, event));
                }
                socket.receive_topic(&world.topic(4));
            }
            // Else they are for what is in flight here, as long as there is something; what is left over is
            // for the old ones.
            Form::Id | Form::IdAndSubscription => {
                for event in &current {
                    socket.send(&form.answer(&ack, event));
                }
                socket.receive_topic(&world.topic(4));
                for event in &old {
                    socket.send(&form.answer(&ack, event));
                }
                assert_eq!(socket.settle(), Vec::<Value>::new(), "{form:?}");
            }
            Form::Nothing => {
                for _ in &current {
                    socket.send(&ack);
                }
                socket.receive_topic(&world.topic(4));
                socket.send(&ack);
                for _ in &old {
                    socket.send(&ack);
                }
                assert_eq!(socket.settle(), Vec::<Value>::new(), "{form:?}");
            }
        }
        refused(&mut socket, &form.answer(&ack, &old[0]));
    }
}

#[test]
fn who_waits_in_line_may_answer_late_and_a_stranger_may_not() {
    let server = Server::start();
    let world = World::new(&server, 0);
    let mut socket = world.open();
    let old = world.three(&mut socket);
    let mut next = world.open();
    next.settle();
    let mut waiting = world.open();
    waiting.settle();
    socket.close();
    world.three(&mut next);
    let mut stranger = RawSocket::open(server.address(), "/ws?namespace=default&name=other");
    refused(
        &mut stranger,
        &Form::IdAndSubscription.answer(&json!({"type": "ack"}), &old[0]),
    );
    for event in &old {
        waiting.ack(event);
    }
    assert_eq!(waiting.settle(), Vec::<Value>::new());
    // None of that settled what is in flight on the connection that is served.
    next.close();
    world.three(&mut waiting);
}
