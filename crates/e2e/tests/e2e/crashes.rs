//! Is anything lost, disordered or repeated without need when the server is killed again and again?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use photinus_e2e::{DeliveryLog, Dice, Frame, Rest, Server, Socket, Whereabouts, now, wait_until};
use serde_json::{Value, json};

const ROUNDS: usize = 10;
const PUBLISHERS: usize = 3;
const READ_AHEAD: usize = 50;
/// Every third message is blue.
const BLUE_EVERY: u64 = 3;

#[test]
fn ten_kills_lose_nothing_and_repeat_little() {
    let mut dice = Dice::new();
    let mut server = Server::start();
    let rest = server.rest();
    rest.subscribe("all", json!({}), json!({"readAhead": READ_AHEAD}));
    let filter = json!({"message": {"tag": "^blue$"}});
    rest.subscribe("blue", filter, json!({"readAhead": READ_AHEAD}));

    let answered = AtomicU64::new(0);
    let stop_publishing = AtomicBool::new(false);
    let mut expected = BTreeMap::new();
    let mut kills = Vec::new();
    let place = server.whereabouts();

    let (all, blue) = std::thread::scope(|scope| {
        let consumer = |name: &'static str| {
            let place = &place;
            scope.spawn(move || consume(name, place))
        };
        let (all, blue) = (consumer("all"), consumer("blue"));
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                let (place, stop, answered) = (&place, &stop_publishing, &answered);
                scope.spawn(move || publish(publisher, place, stop, answered))
            })
            .collect();

        let _stop = StopAtTheEnd(&stop_publishing);
        for round in 0..ROUNDS {
            // Longer than an acknowledgement may take to be stored, so that a life that stores none shows.
            let moment = now() + Duration::from_micros(dice.between(250_000, 700_000));
            let goal = answered.load(Ordering::SeqCst) + 20;
            wait_until("publishers to go on, and the moment of the kill", || {
                answered.load(Ordering::SeqCst) >= goal && now() >= moment
            });
            let count = answered.load(Ordering::SeqCst);
            println!("kill {} after {count} answers", round + 1);
            kills.push(now());
            server.kill();
            server.start_again();
        }
        let goal = answered.load(Ordering::SeqCst) + 50;
        wait_until("publishers to go on", || {
            answered.load(Ordering::SeqCst) >= goal
        });
        stop_publishing.store(true, Ordering::SeqCst);
        for (publisher, handle) in publishers.into_iter().enumerate() {
            expected.insert(publisher, handle.join().unwrap());
        }

        // Whatever was published before this has come when this comes.
        let rest = server.rest();
        rest.broadcast("end", "blue");
        (all.join().unwrap(), blue.join().unwrap())
    });

    assert_complete("all", &all, &expected, |_| true);
    assert_complete("blue", &blue, &expected, |number| number % BLUE_EVERY == 0);
    for log in [&all, &blue] {
        println!("{} deliveries repeated", log.repeats());
        log.assert_few_repeats(&kills);
    }
    server.assert_running();
}

/// Publishes one message after the other, each until it is answered, and returns how many.
fn publish(publisher: usize, place: &Whereabouts, stop: &AtomicBool, answered: &AtomicU64) -> u64 {
    let mut connection: Option<(Rest, usize)> = None;
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        let topic = format!("p{publisher}-{number}");
        let tag = if number % BLUE_EVERY == 0 {
            "blue"
        } else {
            "red"
        };
        // The key makes the repetition of what a kill left open safe: one event, whichever was stored.
        let body = json!({
            "header": {"topics": [topic], "tag": tag},
            "data": [{"value": {"publisher": publisher, "number": number}}],
            "idempotencyKey": topic,
        });
        loop {
            let (address, life) = wait_for_place(place);
            let (rest, _) = match connection.take() {
                Some(current) if current.1 == life => connection.insert(current),
                _ => connection.insert((Rest::new(address), life)),
            };
            let path = "/api/v1/namespaces/default/messages/broadcast";
            match rest.try_json("POST", path, &body) {
                Ok(reply) if reply.status == 202 => break,
                Ok(reply) if reply.status == 409 => {
                    assert!(reply.error().starts_with("FF10430"), "{}", reply.text());
                    break;
                }
                Ok(reply) => panic!("{}: {}", reply.status, reply.text()),
                Err(_) => connection = None,
            }
        }
        answered.fetch_add(1, Ordering::SeqCst);
        number += 1;
    }
    number
}

/// Receives and acknowledges until the end has come, over all lives of the server.
fn consume(name: &str, place: &Whereabouts) -> DeliveryLog {
    let mut log = DeliveryLog::new(READ_AHEAD);
    loop {
        let (address, life) = wait_for_place(place);
        let Ok(mut socket) = Socket::open(address, "/ws") else {
            continue;
        };
        log.connected(life);
        socket.start(name);
        loop {
            let event = match socket.next_frame() {
                Frame::Json(event) => event,
                Frame::Closed => break,
                Frame::Pong(_) => continue,
            };
            let topic = topic_of(&event);
            assert_eq!(event["subscription"]["name"], name, "{event}");
            log.delivered(event["sequence"].as_i64().unwrap(), &topic);
            if socket.ack(&event) {
                log.acked(now());
            }
            if topic == "end" {
                return log;
            }
        }
        // A server that goes on has no reason to end a connection.
        wait_until("the server to have gone", || {
            place.get().is_none_or(|(_, now_in)| now_in > life)
        });
    }
}

/// Lets the publishers end when a failure ends the test before they were told to stop.
struct StopAtTheEnd<'a>(&'a AtomicBool);

impl Drop for StopAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Every answered message came, each publisher's in its order, and nothing else did.
fn assert_complete(
    name: &str,
    log: &DeliveryLog,
    expected: &BTreeMap<usize, u64>,
    matches: impl Fn(u64) -> bool,
) {
    let mut received: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for topic in log.topics().iter().filter(|topic| *topic != "end") {
        let (publisher, number) = topic.strip_prefix('p').unwrap().split_once('-').unwrap();
        received
            .entry(publisher.parse().unwrap())
            .or_default()
            .push(number.parse().unwrap());
    }
    for (publisher, &count) in expected {
        let wanted: Vec<u64> = (0..count).filter(|&number| matches(number)).collect();
        let got = received.remove(publisher).unwrap_or_default();
        let differs = wanted
            .iter()
            .zip(&got)
            .position(|(wanted, got)| wanted != got);
        assert!(
            wanted == got,
            "{name}: {} of {} of publisher {publisher} came, different from place {differs:?}",
            got.len(),
            wanted.len()
        );
    }
    assert!(
        received.is_empty(),
        "{name}: {received:?} was never published"
    );
}

fn wait_for_place(place: &Whereabouts) -> (std::net::SocketAddr, usize) {
    photinus_e2e::wait_for("the server to be up", || place.get())
}

fn topic_of(event: &Value) -> String {
    event["topic"]
        .as_str()
        .unwrap_or_else(|| panic!("no topic in {event}"))
        .to_owned()
}

/// Kept next to the test: the log itself has to notice what it is there to notice.
mod of_the_log {
    use super::*;

    #[test]
    #[should_panic(expected = "was left out until after")]
    fn an_event_that_comes_late_is_noticed() {
        let mut log = DeliveryLog::new(1);
        log.connected(0);
        log.delivered(1, "a");
        log.delivered(3, "c");
        log.connected(1);
        log.delivered(2, "b");
    }

    #[test]
    #[should_panic(expected = "3 repeats, of which 2 are allowed")]
    fn a_repeat_too_many_is_noticed() {
        let mut log = DeliveryLog::new(1);
        log.connected(0);
        let long_ago: Instant = now();
        for sequence in 1..=3 {
            log.delivered(sequence, "t");
            log.acked(long_ago);
        }
        log.connected(1);
        for sequence in 1..=3 {
            log.delivered(sequence, "t");
        }
        log.assert_few_repeats(&[long_ago + Duration::from_secs(1)]);
    }
}
