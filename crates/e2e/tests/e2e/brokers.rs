//! Do events reach applications through brokers, and messages of brokers the log, whatever happens to them?

mod amqp_answers;
mod amqp_faults;
mod amqp_refusals;
mod amqp_shapes;
mod amqp_sources;
mod examples;
mod mqtt_answers;
mod mqtt_faults;
mod mqtt_odd;
mod mqtt_shapes;
mod mqtt_sources;
mod targets;
mod through_faults;

use std::sync::OnceLock;

use photinus_brokers::{Mosquitto, MosquittoOptions, RabbitMq};
use photinus_e2e::{DataDirectory, Launch, Rest, Server, wait_for};
use serde_json::{Value, json};

/// The RabbitMQ of all tests that do it no harm.
fn rabbit() -> &'static RabbitMq {
    static RABBIT: OnceLock<RabbitMq> = OnceLock::new();
    RABBIT.get_or_init(RabbitMq::start)
}

/// The Mosquitto of all tests that do it no harm.
fn mosquitto() -> &'static Mosquitto {
    static MOSQUITTO: OnceLock<Mosquitto> = OnceLock::new();
    MOSQUITTO.get_or_init(|| MosquittoOptions::default().start())
}

/// A server with this configuration.
#[track_caller]
fn start(configuration: &str) -> Server {
    let launch = Launch::default().configuration(configuration);
    Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch)
}

/// The lines of a target, which tries again soon.
fn target(transport: &str, url: &str) -> String {
    format!(
        "[transports.{transport}.targets.main]\nurl = \"{url}\"\nreconnect_delay = \"50ms\"\nreconnect_delay_max = \"500ms\"\n"
    )
}

/// A server with a target at the common RabbitMQ.
#[track_caller]
fn with_rabbit() -> Server {
    start(&target("amqp091", &rabbit().url()))
}

/// A server with a target at the common Mosquitto.
#[track_caller]
fn with_mosquitto() -> Server {
    start(&target("mqtt", &mosquitto().url()))
}

/// A subscription that goes to a broker.
struct Feed {
    /// As it was when it was created.
    created: Value,
    path: String,
}

impl Feed {
    /// To the target `main`, with everything from the oldest event on.
    #[track_caller]
    fn new(rest: &Rest, transport: &str, name: &str, mut options: Value) -> Self {
        options["target"] = "main".into();
        if options.get("firstEvent").is_none() {
            options["firstEvent"] = "oldest".into();
        }
        let body = json!({"name": name, "transport": transport, "options": options});
        let created = rest.post("/api/v1/subscriptions", &body).expect(201);
        let id = created["id"].as_str().expect("it has an id");
        let path = format!("/api/v1/subscriptions/{id}");
        Self { created, path }
    }

    /// How it stands.
    #[track_caller]
    fn status(&self, rest: &Rest) -> Value {
        let path = format!("{}?fetchstatus", self.path);
        rest.get(&path).expect(200)["status"].clone()
    }

    /// Waits until why it is as it is contains this.
    #[track_caller]
    fn wait_for_reason(&self, rest: &Rest, part: &str) -> String {
        let mut last = Value::Null;
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(&format!("a reason with '{part}'"), || {
                last = self.status(rest);
                let reason = last["reason"].as_str().unwrap_or_default();
                reason.contains(part).then(|| reason.to_owned())
            })
        }));
        found.unwrap_or_else(|_| panic!("no reason with '{part}': {last}"))
    }

    /// Waits until everything up to this sequence is settled.
    #[track_caller]
    fn wait_for_offset(&self, rest: &Rest, sequence: i64) {
        wait_for(&format!("the offset to be {sequence}"), || {
            let offset = self.status(rest)["currentOffset"].as_i64();
            (offset >= Some(sequence)).then_some(())
        });
    }

    /// Nothing of it is settled yet.
    #[track_caller]
    fn assert_unsettled(&self, rest: &Rest) {
        let status = self.status(rest);
        assert!(status["currentOffset"].as_i64() < Some(1), "{status}");
    }

    /// What it has set aside.
    #[track_caller]
    fn parked(&self, rest: &Rest) -> Vec<Value> {
        let all = rest.get(&format!("{}/parked", self.path)).expect(200);
        all.as_array().expect("a list").clone()
    }
}

/// Publishes a value with a topic and the tag `t`, and returns the message.
#[track_caller]
fn publish(rest: &Rest, topic: &str, value: Value) -> Value {
    let body = json!({"header": {"topics": [topic], "tag": "t"}, "data": [{"value": value}]});
    rest.post("/api/v1/messages/broadcast", &body).expect(202)
}

/// Publishes so many messages quickly: the numbers from `first` on, as their values.
#[track_caller]
fn publish_many(server: &Server, first: usize, count: usize) {
    const AT_ONCE: usize = 2_000;
    for begin in (first..first + count).step_by(AT_ONCE) {
        let end = (begin + AT_ONCE).min(first + count);
        let lines = (begin..end).map(|number| {
            format!("{{\"header\":{{\"topics\":[\"many\"]}},\"data\":[{{\"value\":{number}}}]}}\n")
        });
        let body: String = lines.collect();
        let upload = photinus_e2e::Upload::sized(server.address(), body.len());
        let answers = upload.all(&body);
        assert_eq!(answers.len(), end - begin);
        let wrong = answers.iter().find(|answer| answer["sequence"].is_null());
        assert!(wrong.is_none(), "{wrong:?}");
    }
}

/// The messages of the log with this topic, the oldest first: with their values.
#[track_caller]
fn messages(rest: &Rest, topic: &str) -> Vec<Value> {
    let path = format!("/api/v1/messages?topics={topic}&fetchdata&sort=sequence&limit=1000");
    let list = rest.get(&path).expect(200);
    list.as_array().expect("a list").clone()
}
