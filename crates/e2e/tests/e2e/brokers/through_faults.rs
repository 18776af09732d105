//! Is nothing lost, and the order kept, when brokers die and links are cut in the middle of everything?

use std::collections::HashMap;
use std::time::Duration;

use photinus_brokers::{Mosquitto, MosquittoOptions, Proxy, RabbitMq};
use photinus_e2e::{PATIENCE, Rabbit, Server, StopSignal, Worker, now, wait_until};
use serde_json::{Value, json};

use super::{Feed, publish_many, start, target};

const COUNT: usize = 20_000;
/// Faults come when about so many events have arrived since the last.
const BETWEEN: usize = 4_000;

/// What a worker got: each event when it came first.
struct Got {
    first: Vec<i64>,
    ids: HashMap<i64, String>,
    repeated: usize,
}

impl Got {
    fn new() -> Self {
        Self {
            first: Vec::new(),
            ids: HashMap::new(),
            repeated: 0,
        }
    }

    /// Takes events in until there are so many, or none comes for a while.
    #[track_caller]
    fn until(&mut self, worker: &Worker, count: usize) {
        let begun = now();
        while self.first.len() < count {
            let Some((sequence, id)) = worker.next(PATIENCE) else {
                let missing = (1..=COUNT as i64).find(|number| !self.ids.contains_key(number));
                panic!(
                    "{} of {count} came; the first that is missing: {missing:?}",
                    self.first.len()
                );
            };
            match self.ids.insert(sequence, id.clone()) {
                None => self.first.push(sequence),
                Some(before) => {
                    assert_eq!(before, id, "the same event has the same id");
                    self.repeated += 1;
                }
            }
            assert!(
                begun.elapsed() < Duration::from_secs(300),
                "it takes too long"
            );
        }
    }

    /// Nothing is missing, and nothing came before what is before it.
    #[track_caller]
    fn assert_whole(&self, what: &str) {
        let all: Vec<i64> = (1..=COUNT as i64).collect();
        let wrong = self.first.iter().zip(&all).find(|(came, due)| came != due);
        assert!(wrong.is_none(), "{what}: {wrong:?} (came, due)");
        assert_eq!(self.first.len(), COUNT);
        println!("{what}: {COUNT} events, {} repeated", self.repeated);
    }
}

/// What happens to a broker, its link, or the server.
#[derive(Clone, Copy)]
enum Fault {
    Kill,
    Cut,
    Server,
}

const FAULTS: [Fault; 4] = [Fault::Kill, Fault::Cut, Fault::Server, Fault::Cut];

#[track_caller]
fn through_faults(
    what: &str,
    worker: &Worker,
    server: &mut Server,
    proxy: &Proxy,
    mut kill: impl FnMut(),
) {
    let mut got = Got::new();
    for (number, fault) in FAULTS.into_iter().enumerate() {
        got.until(worker, BETWEEN / 2 + number * BETWEEN);
        match fault {
            Fault::Kill => kill(),
            Fault::Cut => {
                proxy.cut();
                std::thread::sleep(Duration::from_millis(300));
                proxy.mend();
            }
            Fault::Server => {
                server.kill();
                server.start_again();
            }
        }
    }
    got.until(worker, COUNT);
    got.assert_whole(what);
    // What is confirmed is settled.
    let rest = server.rest();
    let subscriptions = rest.get("/api/v1/subscriptions").expect(200);
    let id = subscriptions[0]["id"].as_str().unwrap().to_owned();
    wait_until("all to be settled", || {
        let path = format!("/api/v1/subscriptions/{id}?fetchstatus");
        rest.get(&path).expect(200)["status"]["currentOffset"] == COUNT
    });
    server.stop(StopSignal::Term);
}

#[track_caller]
fn rabbit_through_faults(what: &str, options: Value) {
    let mut rabbit = RabbitMq::start();
    let proxy = Proxy::to(rabbit.port());
    let url = rabbit.url();
    let mut app = Rabbit::at(&url);
    app.does("queue", json!({"name": "many"}));
    drop(app);
    let through = format!("amqp://guest:guest@127.0.0.1:{}/%2f", proxy.port());
    let mut server = start(&target("amqp091", &through));
    publish_many(&server, 1, COUNT);
    let worker = Worker::of_rabbit(&url, "many");
    let mut options = options;
    options["routingKey"] = "many".into();
    Feed::new(&server.rest(), "amqp091", "many", options);
    through_faults(what, &worker, &mut server, &proxy, || {
        rabbit.kill();
        rabbit.start_again();
    });
}

#[test]
fn rabbitmq_gets_all_in_order() {
    rabbit_through_faults(
        "RabbitMQ confirms",
        json!({"readAhead": 500, "content": "data"}),
    );
}

#[test]
fn an_application_of_rabbitmq_gets_all_in_order() {
    let options = json!({"readAhead": 500, "ack": "application", "ackTimeout": "10s", "retryPolicy": {"delays": ["10ms"]}});
    rabbit_through_faults("an application behind RabbitMQ answers", options);
}

#[track_caller]
fn mosquitto_through_faults(what: &str, worker: Value, options: Value) {
    let options_of_broker = MosquittoOptions::default().line("max_inflight_messages 1000");
    let mut mosquitto: Mosquitto = options_of_broker.start();
    let proxy = Proxy::to(mosquitto.port());
    let through = format!("mqtt://127.0.0.1:{}", proxy.port());
    let mut server = start(&target("mqtt", &through));
    publish_many(&server, 1, COUNT);
    let worker = Worker::of_mqtt(mosquitto.port(), "many/#", worker);
    let mut options = options;
    options["topic"] = "many/{topic}".into();
    options["noSubscribers"] = "retry".into();
    options["retryPolicy"] = json!({"delays": ["50ms"]});
    Feed::new(&server.rest(), "mqtt", "many", options);
    through_faults(what, &worker, &mut server, &proxy, || {
        mosquitto.stop();
        mosquitto.start_again();
    });
}

#[test]
fn mosquitto_gets_all_in_order() {
    // It confirms before it saves: a kill could lose what it had confirmed, so it is stopped in order here.
    let worker = json!({"id": "worker", "qos": 1});
    mosquitto_through_faults(
        "Mosquitto acknowledges",
        worker,
        json!({"readAhead": 200, "content": "data"}),
    );
}

#[test]
fn an_application_of_mosquitto_gets_all_also_when_it_is_killed() {
    let mut mosquitto: Mosquitto = MosquittoOptions::default()
        .line("max_inflight_messages 1000")
        .start();
    let proxy = Proxy::to(mosquitto.port());
    let mut server = start(&target(
        "mqtt",
        &format!("mqtt://127.0.0.1:{}", proxy.port()),
    ));
    publish_many(&server, 1, COUNT);
    let worker = json!({"id": "worker", "qos": 1, "answers": []});
    let worker = Worker::of_mqtt(mosquitto.port(), "many/#", worker);
    let options = json!({"topic": "many/{topic}", "readAhead": 200, "ack": "application", "ackTimeout": "10s",
        "retryPolicy": {"delays": ["50ms"]}});
    Feed::new(&server.rest(), "mqtt", "many", options);
    through_faults(
        "an application behind Mosquitto answers",
        &worker,
        &mut server,
        &proxy,
        || {
            mosquitto.kill();
            mosquitto.start_again();
        },
    );
}
