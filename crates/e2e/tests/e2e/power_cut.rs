//! Is anything lost that was answered when the power fails?
//!
//! The server runs on a disk that forgets what was not synced, see `shim/power.c`.

mod of_the_shim;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use photinus_e2e::{
    ACK_STORED_WITHIN, Cut, DataDirectory, Dice, END, Kills, Ledger, LogCopy, Passes, Power,
    Publisher, Server, StopSignal, now, publish_end, wait_until,
};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::crashes::{CONSUMERS, Offsets, StopAtTheEnd, assert_replies};

const ROUNDS: usize = 20;
/// So small a write-ahead file is brought into the database many times a second.
const CONFIGURATION: &str = "[store.sqlite]\ncheckpoint_pages = 100\n";
/// How long the disk takes for a sync.
const SYNC_MICROS: u64 = 500;

#[test]
fn twenty_power_cuts_lose_nothing_that_was_answered() {
    let mut dice = Dice::new();
    let data = DataDirectory::new();
    let power = Power::new(data.clone());
    power.slow_syncs(SYNC_MICROS);
    let launch = power.launch().configuration(CONFIGURATION);
    let mut server = Server::start_as(data.clone(), "127.0.0.1:0", launch);
    let rest = server.rest();
    let ids: Vec<String> = CONSUMERS
        .iter()
        .map(|consumer| consumer.subscribe(&rest))
        .collect();
    let publishers = [
        Publisher::new(0, true),
        Publisher::new(1, false),
        Publisher {
            large_every: 10,
            large_bytes: 30_000,
            ..Publisher::new(2, true)
        },
        Publisher {
            private: true,
            large_every: 50,
            large_bytes: 500_000,
            ..Publisher::new(3, true)
        },
    ];
    let (ledger, kills) = (Ledger::default(), Kills::default());
    let stop = AtomicBool::new(false);
    let place = server.whereabouts();
    let mut log = LogCopy::default();
    let mut offsets = Offsets::new(ids);
    let mut made = Made::default();
    let mut cuts_with_losses = 0;
    let began = now();

    let passes: Vec<Passes> = std::thread::scope(|scope| {
        let consumers = CONSUMERS.map(|consumer| {
            let (place, kills, ledger, dice) = (&place, &kills, &ledger, dice.another());
            scope.spawn(move || consumer.run(dice, place, kills, ledger))
        });
        let publishers = publishers.map(|publisher| {
            let (place, stop, ledger) = (&place, &stop, &ledger);
            scope.spawn(move || publisher.run(0, place, stop, ledger))
        });
        let _stop = StopAtTheEnd(&stop);
        for round in 0..ROUNDS {
            let moment = now() + Duration::from_micros(dice.between(50_000, 600_000));
            let goal = ledger.stored() + 20;
            wait_until("publishers to go on, and the moment of the cut", || {
                ledger.stored() >= goal && now() >= moment
            });
            offsets.look(&server);
            log.read_on(&server.rest(), &ledger);
            let slack = ACK_STORED_WITHIN + ledger.take_slowest();
            match round % 4 {
                // Right after an answer, of each kind of thing that is stored.
                0 | 1 => {
                    made.make_one(&server, round, (round / 4) % 3);
                    kills.add(now(), slack);
                    server.kill();
                }
                // After all was closed.
                2 if round % 8 == 2 => {
                    kills.add(now(), slack);
                    server.stop(StopSignal::Term);
                }
                _ => {
                    for kind in 0..3 {
                        made.make_one(&server, round, kind);
                    }
                    kills.add(now(), slack);
                    server.kill();
                }
            }
            let cut = match dice.between(0, 2) {
                0 => Cut::Nothing,
                _ => Cut::SomeBlocks,
            };
            cuts_with_losses += usize::from(power.cut(cut, &mut dice) > 0);
            assert_sound(&data);
            if round % 5 == 4 {
                // It fails again, in the middle of the start.
                server.start_and_kill_after(Duration::from_micros(dice.between(0, 60_000)));
                power.cut(Cut::SomeBlocks, &mut dice);
                assert_sound(&data);
            }
            server.start_again();
            let rest = server.rest();
            offsets.look(&server);
            log.assert_unchanged(&rest, 1_000);
            log.read_on(&rest, &ledger);
            log.assert_messages(&rest, &ledger, 25);
            made.assert_there(&server, 4);
        }
        let goal = ledger.stored() + 50;
        wait_until("publishers to go on", || ledger.stored() >= goal);
        stop.store(true, Ordering::SeqCst);
        for publisher in publishers {
            publisher.join().unwrap();
        }
        publish_end(&server.rest(), &ledger);
        let consumers = consumers.into_iter();
        consumers.map(|consumer| consumer.join().unwrap()).collect()
    });

    let rest = server.rest();
    log.read_on(&rest, &ledger);
    log.assert_unchanged(&rest, usize::MAX);
    log.assert_messages(&rest, &ledger, 1_500);
    made.assert_there(&server, usize::MAX);
    let mut events = log.events().iter();
    let (&end, _) = events.find(|(_, event)| event.topic == END).unwrap();
    for passes in &passes {
        passes.assert_complete(&log, end);
    }
    assert_replies(&log, end);
    server.assert_running();

    let counts = power.counts();
    assert!(
        counts.compared > 0 && counts.directory_syncs > 0,
        "{counts:?}"
    );
    assert!(
        counts.syncs > 100,
        "the server does not sync, or the shim does not see it: {counts:?}"
    );
    assert!(cuts_with_losses > 0, "no cut had anything to lose");
    let (_, open) = ledger.unstored();
    println!(
        "{ROUNDS} power cuts in {:?}: {} answered, {open} left open, {} events; {cuts_with_losses} cuts had something unsynced; {counts:?}",
        began.elapsed(),
        ledger.stored(),
        log.events().len()
    );
    for (consumer, passes) in CONSUMERS.iter().zip(&passes) {
        let (deliveries, repeats) = passes.counts();
        println!(
            "{}: {deliveries} deliveries, {repeats} of them repeats",
            consumer.name
        );
    }
}

/// The other half of the proof: with syncs turned off, the same cut does lose what was answered. And what is left
/// is what the setting promises: whole, in order, and only the newest is missing.
#[test]
fn without_syncs_a_power_cut_loses_the_newest() {
    let mut dice = Dice::new();
    let data = DataDirectory::new();
    let power = Power::new(data.clone());
    let launch = power
        .launch()
        .configuration("[store.sqlite]\nsynchronous = 'normal'\n");
    let mut server = Server::start_as(data.clone(), "127.0.0.1:0", launch);
    let topics: Vec<String> = (0..50).map(|number| format!("t{number}")).collect();
    for topic in &topics[..25] {
        server.rest().broadcast(topic, "t");
    }
    // An orderly stop brings all of them to the disk.
    server.stop(StopSignal::Term);
    server.start_again();
    for topic in &topics[25..] {
        server.rest().broadcast(topic, "t");
    }
    server.kill();
    power.cut(Cut::SomeBlocks, &mut dice);
    power.cut(Cut::Nothing, &mut dice);
    assert_sound(&data);
    server.start_again();
    let events = server.rest().get("/api/v1/events?limit=100").expect(200);
    let left = events.as_array().unwrap().iter().rev();
    let left: Vec<&str> = left.map(|event| event["topic"].as_str().unwrap()).collect();
    println!("{} of {} are left", left.len(), topics.len());
    assert_eq!(left, topics[..left.len()]);
    assert!(left.len() >= 25, "what was synced at the stop is lost");
    assert!(left.len() < 50, "nothing was lost: the shim proves nothing");
}

/// What is stored beside messages.
#[derive(Default)]
struct Made {
    subscriptions: Vec<Value>,
    namespaces: Vec<String>,
    /// A message in each namespace: its topic and id.
    messages: Vec<(String, Value)>,
}

impl Made {
    #[track_caller]
    fn make_one(&mut self, server: &Server, round: usize, kind: usize) {
        let rest = server.rest();
        match kind {
            0 => {
                let name = format!("subscription-{round}");
                let filter = json!({"topic": format!("^{name}$")});
                let created = rest.subscribe(&name, filter, json!({"readAhead": round}));
                self.subscriptions.push(created);
            }
            1 => {
                let name = format!("namespace-{round}");
                let created = rest.post("/api/v1/namespaces", &json!({"name": name}));
                assert_eq!(created.status, 201, "{}", created.text());
                self.namespaces.push(name);
            }
            _ => {
                let Some(namespace) = self.namespaces.last() else {
                    return;
                };
                let path = format!("/api/v1/namespaces/{namespace}/messages/broadcast");
                let body = json!({"data": [{"value": "large".repeat(4000)}]});
                let message = rest.post(&path, &body).expect(202);
                self.messages.push((namespace.clone(), message));
            }
        }
    }

    #[track_caller]
    fn assert_there(&self, server: &Server, newest: usize) {
        let rest = server.rest();
        for created in self.subscriptions.iter().rev().take(newest) {
            let id = created["id"].as_str().unwrap();
            let found = rest.get(&format!("/api/v1/subscriptions/{id}")).expect(200);
            assert_eq!(found, *created);
        }
        for namespace in self.namespaces.iter().rev().take(newest) {
            rest.get(&format!("/api/v1/namespaces/{namespace}"))
                .expect(200);
        }
        for (namespace, message) in self.messages.iter().rev().take(newest) {
            let id = message["header"]["id"].as_str().unwrap();
            let path = format!("/api/v1/namespaces/{namespace}/messages/{id}?fetchdata");
            let found = rest.get(&path).expect(200);
            assert_eq!(found["hash"], message["hash"]);
            assert_eq!(found["data"][0]["value"], "large".repeat(4000));
        }
    }
}

/// A copy of the database passes SQLite's own check, before the server has repaired anything.
#[track_caller]
pub(crate) fn assert_sound(data: &DataDirectory) {
    let copy = tempfile::tempdir().unwrap();
    for file in ["photinus.db", "photinus.db-wal"] {
        let from = data.path().join(file);
        if from.exists() {
            std::fs::copy(from, copy.path().join(file)).unwrap();
        }
    }
    let database = Connection::open(copy.path().join("photinus.db")).unwrap();
    let verdict: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
}
