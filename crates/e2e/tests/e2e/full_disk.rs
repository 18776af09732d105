//! What happens when the disk is full, or fails to sync, and when it is well again?

use std::sync::atomic::AtomicBool;

use photinus_e2e::{
    Cut, DataDirectory, Dice, Full, Ledger, LogCopy, Power, Publisher, Server, wait_until,
};
use serde_json::json;

use crate::power_cut::assert_sound;
use crate::under_load::StopAtTheEnd;

/// The write-ahead file is begun anew every few messages, so that the disk fails at all its moments.
const CONFIGURATION: &str = "[store.sqlite]\ncheckpoint_pages = 100\n";

/// Lets publishers go on around what a test does to their server.
fn under_load(
    server: &mut Server,
    ledger: &Ledger,
    first: u64,
    act: impl FnOnce(&mut Server),
) -> u64 {
    let stop = AtomicBool::new(false);
    let place = server.whereabouts();
    std::thread::scope(|scope| {
        let publishers = [(0, true), (1, true), (2, false)].map(|(number, keys)| {
            let publisher = Publisher {
                large_every: 10,
                large_bytes: 20_000,
                ..Publisher::new(number, keys)
            };
            let (place, stop) = (&place, &stop);
            scope.spawn(move || publisher.run(first, place, stop, ledger))
        });
        let stopping = StopAtTheEnd(&stop);
        act(server);
        drop(stopping);
        publishers
            .map(|publisher| publisher.join().unwrap())
            .into_iter()
            .max()
            .unwrap()
    })
}

#[test]
fn while_the_disk_is_full_publishes_are_refused_and_the_rest_goes_on() {
    for full in [Full::Growth, Full::AllWrites] {
        let data = DataDirectory::new();
        let power = Power::new(data.clone());
        let launch = power.launch().configuration(CONFIGURATION);
        let mut server = Server::start_as(data.clone(), "127.0.0.1:0", launch);
        let rest = server.rest();
        rest.subscribe("app", json!({}), json!({"readAhead": 10}));
        let mut socket = server.socket("/ws");
        socket.start("app");
        let ledger = Ledger::default();
        let mut log = LogCopy::default();
        let mut received = 0;
        let mut next = 0;
        for _ in 0..3 {
            next = under_load(&mut server, &ledger, next, |server| {
                let goal = ledger.stored() + 50;
                wait_until("publishes", || ledger.stored() >= goal);
                power.fill(full);
                let goal = ledger.refusals() + 20;
                wait_until("refusals", || ledger.refusals() >= goal);
                let stored = ledger.stored();
                let goal = ledger.refusals() + 20;
                wait_until("more refusals", || ledger.refusals() >= goal);
                assert!(ledger.stored() <= stored + 3, "the disk is not full");
                // Reads go on, and so does the consumer, with all that was published before.
                let newest = rest.get("/api/v1/events?limit=1").expect(200);
                let newest = newest[0]["sequence"].as_i64().unwrap();
                while received < newest {
                    let event = socket.receive();
                    received = event["sequence"].as_i64().unwrap();
                    assert!(socket.ack(&event));
                }
                server.assert_running();
                assert_eq!(server.monitoring().get("/livez").status, 200);
                power.free();
                let goal = ledger.stored() + 50;
                wait_until("publishes", || ledger.stored() >= goal);
            });
            log.read_on(&rest, &ledger);
        }
        let refusal = ledger.a_refusal().unwrap();
        assert!(
            refusal.contains("no space left") && refusal.contains(data.path().to_str().unwrap()),
            "{refusal}"
        );
        let said = server.log();
        assert!(
            said.contains("no space left"),
            "the log says nothing of it: {said}"
        );
        // The consumer gets the rest.
        let newest = *log.events().keys().next_back().unwrap();
        while received < newest {
            let event = socket.receive();
            received = event["sequence"].as_i64().unwrap();
            assert!(socket.ack(&event));
        }
        server.kill();
        power.cut(Cut::Nothing, &mut Dice::new());
        assert_sound(&data);
        server.start_again();
        log.assert_unchanged(&server.rest(), usize::MAX);
        log.read_on(&server.rest(), &ledger);
        log.assert_messages(&server.rest(), &ledger, 100);
        let (refused, open) = ledger.unstored();
        println!(
            "{full:?}: {} answered, {refused} messages refused for good, {open} open; {:?}",
            ledger.stored(),
            power.counts()
        );
    }
}

#[test]
fn a_kill_while_the_disk_is_full_loses_nothing() {
    let data = DataDirectory::new();
    let power = Power::new(data.clone());
    let launch = power.launch().configuration(CONFIGURATION);
    let mut server = Server::start_as(data.clone(), "127.0.0.1:0", launch);
    let ledger = Ledger::default();
    let mut log = LogCopy::default();
    let mut dice = Dice::new();
    let mut next = 0;
    for round in 0..4 {
        next = under_load(&mut server, &ledger, next, |server| {
            let goal = ledger.stored() + 50;
            wait_until("publishes", || ledger.stored() >= goal);
            power.fill(if round % 2 == 0 {
                Full::Growth
            } else {
                Full::AllWrites
            });
            let goal = ledger.refusals() + 10;
            wait_until("refusals", || ledger.refusals() >= goal);
            server.kill();
            power.free();
            if round >= 2 {
                power.cut(Cut::SomeBlocks, &mut dice);
            }
            assert_sound(&data);
            server.start_again();
            let goal = ledger.stored() + 20;
            wait_until("publishes", || ledger.stored() >= goal);
        });
        log.assert_unchanged(&server.rest(), usize::MAX);
        log.read_on(&server.rest(), &ledger);
    }
}

#[test]
fn a_start_on_a_full_disk_says_so_and_harms_nothing() {
    for full in [Full::Growth, Full::AllWrites] {
        let data = DataDirectory::new();
        let power = Power::new(data.clone());
        let mut server = Server::start_as(data.clone(), "127.0.0.1:0", power.launch());
        let rest = server.rest();
        let message = rest.broadcast("before", "t");
        server.kill();
        // Nothing there yet: nothing can be made.
        let empty = DataDirectory::new();
        let power_of_empty = Power::new(empty.clone());
        power_of_empty.fill(full);
        let mut new = Server::prepared(empty.clone(), "127.0.0.1:0", power_of_empty.launch());
        let status = new.try_start().expect_err("there is no space");
        let said = new.log();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(empty.path().to_str().unwrap()), "{said}");
        let says_why = ["no space left", "No space left", "full"]
            .iter()
            .any(|words| said.contains(words));
        assert!(says_why && !said.contains("panicked"), "{said}");
        power_of_empty.free();
        new.start_again();
        new.rest().broadcast("first", "t");

        // With data, it may start and serve what is there, or say the same.
        power.fill(full);
        let mut waiting = Server::prepared(data.clone(), "127.0.0.1:0", power.launch());
        let started = waiting.try_start().err();
        if let Some(status) = started {
            let said = waiting.log();
            assert_eq!(status.code(), Some(1), "{said}");
            assert!(said.contains(data.path().to_str().unwrap()), "{said}");
        }
        println!(
            "{full:?}: a start with data ended with {started:?}\n{}",
            waiting.log()
        );
        drop(waiting);
        power.free();
        server.start_again();
        let id = message["header"]["id"].as_str().unwrap();
        let found = server
            .rest()
            .get(&format!("/api/v1/messages/{id}"))
            .expect(200);
        assert_eq!(found["hash"], message["hash"]);
        server.rest().broadcast("after", "t");
    }
}

#[test]
fn a_failed_sync_of_the_write_ahead_file_loses_nothing_that_was_answered() {
    failed_syncs("photinus.db-wal");
}

/// What a checkpoint wrote and could not sync is not written again by itself: the next sync succeeds, and must not
/// be believed.
#[test]
fn a_failed_sync_of_the_database_loses_nothing_that_was_answered() {
    failed_syncs("photinus.db");
}

fn failed_syncs(file: &str) {
    let mut dice = Dice::new();
    let data = DataDirectory::new();
    let power = Power::new(data.clone());
    let launch = power.launch().configuration(CONFIGURATION);
    let mut server = Server::start_as(data.clone(), "127.0.0.1:0", launch);
    let ledger = Ledger::default();
    let mut log = LogCopy::of_a_failing_disk();
    let mut next = 0;
    let mut ends = 0;
    for round in 0..4 {
        next = under_load(&mut server, &ledger, next, |server| {
            let goal = ledger.stored() + dice.between(20, 80);
            wait_until("publishes", || ledger.stored() >= goal);
            let failed = power.counts().failed_syncs;
            power.fail_next_sync(file);
            wait_until("a failed sync", || power.counts().failed_syncs > failed);
            // It goes on, or it ends and is started again.
            let goal = ledger.stored() + 300;
            wait_until("publishes", || {
                if let Some(status) = server.ended() {
                    assert!(!status.success(), "{status}");
                    ends += 1;
                    server.start_again();
                }
                ledger.stored() >= goal
            });
            server.kill();
            let cut = if round % 2 == 0 {
                Cut::Nothing
            } else {
                Cut::SomeBlocks
            };
            power.cut(cut, &mut dice);
            assert_sound(&data);
            server.start_again();
        });
        log.assert_unchanged(&server.rest(), 1_000);
        log.read_on(&server.rest(), &ledger);
        log.assert_messages(&server.rest(), &ledger, 200);
    }
    if file.ends_with("-wal") {
        assert!(ledger.refusals() > 0, "what was not synced was answered");
    }
    println!(
        "{file}: {} answered, {} refused and there, {ends} ends; {:?}",
        ledger.stored(),
        log.refused(),
        power.counts()
    );
}
