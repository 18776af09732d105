//! Is anything lost that was answered when the power fails?
//!
//! The server runs on a disk that forgets what was not synced, see `shim/power.c`.

mod of_the_shim;

use std::time::Duration;

use photinus_e2e::{
    ACK_STORED_WITHIN, Cut, DataDirectory, Dice, Power, Publisher, Server, StopSignal, now,
};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::under_load::Load;

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
    let mut load = Load::new(&server);
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
    let mut made = Made::default();
    let mut cuts_with_losses = 0;
    let began = now();

    load.run(&mut server, publishers, &mut dice, |server, dice, seen| {
        for round in 0..ROUNDS {
            seen.wait_for_the_moment(dice);
            seen.offsets.look(server);
            seen.log.read_on(&server.rest(), seen.ledger);
            let slack = ACK_STORED_WITHIN + seen.ledger.take_slowest();
            match round % 4 {
                // Right after an answer, of each kind of thing that is stored.
                0 | 1 => {
                    made.make_one(server, round, (round / 4) % 3);
                    seen.kills.add(now(), slack);
                    server.kill();
                }
                // After all was closed.
                2 if round % 8 == 2 => {
                    seen.kills.add(now(), slack);
                    server.stop(StopSignal::Term);
                }
                _ => {
                    for kind in 0..3 {
                        made.make_one(server, round, kind);
                    }
                    seen.kills.add(now(), slack);
                    server.kill();
                }
            }
            let cut = match dice.between(0, 2) {
                0 => Cut::Nothing,
                _ => Cut::SomeBlocks,
            };
            cuts_with_losses += usize::from(power.cut(cut, dice) > 0);
            assert_sound(&data);
            if round % 5 == 4 {
                // It fails again, in the middle of the start.
                server.start_and_kill_after(Duration::from_micros(dice.between(0, 60_000)));
                power.cut(Cut::SomeBlocks, dice);
                assert_sound(&data);
            }
            server.start_again();
            let rest = server.rest();
            seen.offsets.look(server);
            seen.log.assert_unchanged(&rest, 1_000);
            seen.log.read_on(&rest, seen.ledger);
            seen.log.assert_messages(&rest, seen.ledger, 25);
            made.assert_there(server, 4);
        }
    });

    load.assert_kept(&server, 1_500);
    made.assert_there(&server, usize::MAX);
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
    println!(
        "{ROUNDS} power cuts in {:?}: {load}; {cuts_with_losses} cuts had something unsynced; {counts:?}",
        began.elapsed(),
    );
    for (name, deliveries, repeats) in load.deliveries() {
        println!("{name}: {deliveries} deliveries, {repeats} of them repeats");
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
