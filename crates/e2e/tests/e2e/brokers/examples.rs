//! Do the examples do what they say that they do?

use std::path::PathBuf;

use photinus_brokers::{Mosquitto, RabbitMq};
use photinus_e2e::{PATIENCE, Program, Rest, python, wait_for};
use serde_json::Value;

use super::start;

/// A directory of `examples`, used as its README says.
struct Example {
    directory: PathBuf,
}

impl Example {
    fn new(name: &str) -> Self {
        let directory = python().join("../../../examples").join(name);
        Self { directory }
    }

    #[track_caller]
    fn read(&self, name: &str) -> String {
        let path = self.directory.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The server, with its broker somewhere else.
    #[track_caller]
    fn server(&self, url: &str, ours: &str) -> photinus_e2e::Server {
        let configuration = self.read("photinus.toml");
        assert!(configuration.contains(url), "{configuration}");
        start(&configuration.replace(url, ours))
    }

    /// Starts the application, subscribes and publishes, and waits for all that it says by the README.
    #[track_caller]
    fn run(&self, rest: &Rest, script: &str, variable: (&str, &str), messages: &str) {
        let readme = self.read("README.md");
        let said = readme.split("```\n").nth(3).expect("what it says");
        let mut expected = said.lines();
        let app = Program::start_in(&self.directory, &[script], &[variable]);
        assert_eq!(app.line(PATIENCE).as_deref(), expected.next());

        let subscription: Value = serde_json::from_str(&self.read("subscription.json")).unwrap();
        rest.post("/api/v1/subscriptions", &subscription)
            .expect(201);
        let body = self.read(messages).into_bytes();
        let kind = Some("application/x-ndjson");
        let published = rest.send("POST", "/api/v1/messages/bulk", kind, Some(&body));
        assert_eq!(published.unwrap().status, 200);
        for line in expected {
            assert_eq!(app.line(PATIENCE).as_deref(), Some(line));
        }
    }

    /// Waits for so many replies with this topic, each to the message with the key `{key}-{number}`; and for one that
    /// was set aside for this reason.
    #[track_caller]
    fn check(&self, rest: &Rest, topic: &str, answered: &[&str], name: &str, reason: &str) {
        let replies = wait_for("the replies", || {
            let path = format!("/api/v1/messages?topics={topic}&sort=sequence");
            let replies = rest.get(&path).expect(200);
            let replies = replies.as_array().expect("a list").clone();
            (replies.len() == answered.len()).then_some(replies)
        });
        for (reply, key) in replies.iter().zip(answered) {
            let cid = reply["header"]["cid"].as_str().expect("a cid");
            let message = rest.get(&format!("/api/v1/messages/{cid}")).expect(200);
            assert_eq!(message["idempotencyKey"], *key);
        }
        let path = format!("/api/v1/subscriptions?name={name}");
        let id = rest.get(&path).expect(200)[0]["id"].clone();
        let path = format!("/api/v1/subscriptions/{}/parked", id.as_str().unwrap());
        let parked = rest.get(&path).expect(200);
        assert_eq!(parked.as_array().map(Vec::len), Some(1), "{parked}");
        let last = parked[0].to_string();
        assert!(last.contains(reason), "{last}");
    }
}

#[test]
fn orders_go_through_rabbitmq_and_the_worker_settles_them() {
    let (rabbit, example) = (RabbitMq::start(), Example::new("rabbitmq"));
    let server = example.server("amqp://guest:guest@127.0.0.1:5672/%2f", &rabbit.url());
    let rest = server.rest();
    let variable = ("AMQP_URL", &*rabbit.url());
    example.run(&rest, "worker.py", variable, "orders.ndjson");
    let answered = ["order-1", "order-2", "order-4"];
    let reason = "there is nothing to pack";
    example.check(&rest, "packed", &answered, "packing", reason);
}

#[test]
fn commands_go_through_mqtt_and_the_lamp_settles_them() {
    let (mosquitto, example) = (Mosquitto::start(), Example::new("mqtt"));
    let server = example.server("mqtt://127.0.0.1:1883", &mosquitto.url());
    let rest = server.rest();
    let variable = ("MQTT_PORT", &*mosquitto.port().to_string());
    example.run(&rest, "lamp.py", variable, "commands.ndjson");
    let answered = ["command-1", "command-2", "command-4"];
    let reason = "this lamp is white";
    example.check(&rest, "lamps", &answered, "lamps", reason);
}
