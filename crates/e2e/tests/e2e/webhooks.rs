//! Do webhooks arrive, whatever receivers, networks and this server do?

mod breaker;
mod faults;
mod guard;
mod http2;
mod modes;
mod replies;
mod shapes;
mod signing;
mod tls;
mod tunnel;
mod wishes;

use photinus_e2e::{DataDirectory, Deadline, Launch, PATIENCE, Receiver, Rest, Server, wait_for};
use serde_json::{Value, json};

/// The receivers of the tests are on this machine, which has to be allowed.
const THIS_MACHINE: &str = r#"allow = ["127.0.0.0/8", "::1/128"]"#;

/// A server that may reach this machine.
#[track_caller]
fn start() -> Server {
    start_with("")
}

/// A server that may reach this machine, with more lines of its section.
#[track_caller]
fn start_with(lines: &str) -> Server {
    start_as(&format!("{THIS_MACHINE}\n{lines}"), Launch::default())
}

/// A server with these lines of the transport's section.
#[track_caller]
fn start_as(section: &str, launch: Launch) -> Server {
    let launch = launch.configuration(&format!("[transports.webhooks]\n{section}\n"));
    Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch)
}

/// Lines by which a receiver that fails is asked again soon.
const SOON: &str = "breaker_delay = \"10ms\"\nbreaker_delay_max = \"50ms\"";

/// A subscription to all events whose receiver is at this URL.
#[derive(Debug)]
struct Hook {
    /// As it was when it was created.
    created: Value,
    /// Its place in the API.
    path: String,
}

impl Hook {
    /// All that there is from the oldest event on goes there, in order.
    #[track_caller]
    fn at(rest: &Rest, name: &str, url: &str, mut options: Value) -> Self {
        options["url"] = url.into();
        if options.get("firstEvent").is_none() {
            options["firstEvent"] = "oldest".into();
        }
        let body = json!({"name": name, "transport": "webhooks", "options": options});
        let created = rest.post("/api/v1/subscriptions", &body).expect(201);
        let path = format!(
            "/api/v1/subscriptions/{}",
            created["id"].as_str().expect("it has an id")
        );
        Self { created, path }
    }

    /// The same, at the root of a receiver of ours.
    #[track_caller]
    fn to(rest: &Rest, name: &str, receiver: &Receiver, options: Value) -> Self {
        Self::at(rest, name, &receiver.url("/"), options)
    }

    /// How it stands.
    #[track_caller]
    fn status(&self, rest: &Rest) -> Value {
        let path = format!("{}?fetchstatus", self.path);
        rest.get(&path).expect(200)["status"].clone()
    }

    /// Waits until it is in this state, and returns why.
    #[track_caller]
    fn wait_for_state(&self, rest: &Rest, state: &str) -> String {
        wait_for(&format!("the subscription to be {state}"), || {
            let status = self.status(rest);
            let reason = status["reason"].as_str().unwrap_or_default().to_owned();
            (status["state"] == state).then_some(reason)
        })
    }

    /// Waits until why it is as it is contains this.
    #[track_caller]
    fn wait_for_reason(&self, rest: &Rest, part: &str) -> String {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let status = self.status(rest);
            let reason = status["reason"].as_str().unwrap_or_default();
            if reason.contains(part) {
                return reason.to_owned();
            }
            assert!(
                deadline.remaining().is_some(),
                "no reason with '{part}' for {}: {status}",
                self.created["options"]["url"]
            );
        }
    }

    /// What it has set aside.
    #[track_caller]
    fn parked(&self, rest: &Rest) -> Vec<Value> {
        let all = rest.get(&format!("{}/parked", self.path)).expect(200);
        all.as_array().expect("a list").clone()
    }

    /// Waits until so many are set aside, and returns them.
    #[track_caller]
    fn wait_for_parked(&self, rest: &Rest, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} events to be parked"), || {
            let parked = self.parked(rest);
            (parked.len() == count).then_some(parked)
        })
    }
}

/// `t1`, `t2` and so on.
fn topics(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("t{number}")).collect()
}

/// Publishes one message for each topic.
#[track_caller]
fn publish(rest: &Rest, topics: &[impl AsRef<str>]) {
    for topic in topics {
        rest.broadcast(topic.as_ref(), "t");
    }
}

/// What an operator sees of this receiver; null, if nothing is sent there.
#[track_caller]
fn shown(rest: &Rest, receiver: &Receiver) -> Value {
    let all = rest.get("/api/v1/webhooks").expect(200);
    let url = receiver.url("/");
    let all = all["receivers"].as_array().expect("a list");
    let found = all.iter().find(|shown| shown["url"] == url);
    found.cloned().unwrap_or_default()
}
