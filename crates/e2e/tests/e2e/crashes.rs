//! Is anything lost, disordered or repeated without need when the server is killed again and again?
//!
//! Under load, during a start and during an orderly stop.

use std::time::{Duration, Instant};

use photinus_e2e::{ACK_STORED_WITHIN, DeliveryLog, Dice, Kills, Passes, Publisher, Server, now};

use crate::under_load::Load;

const ROUNDS: usize = 50;
/// Within this time a server that was killed is ready again, on any machine.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How far any machine may be behind before the test proves nothing.
const SLACK_MAX: Duration = Duration::from_secs(10);

#[test]
fn fifty_kills_lose_nothing_and_repeat_little() {
    let mut dice = Dice::new();
    let mut server = Server::start();
    let mut load = Load::new(&server);
    let publishers = [
        Publisher::new(0, true),
        Publisher::new(1, true),
        Publisher::new(2, false),
        Publisher {
            private: true,
            large_every: 10,
            large_bytes: 20_000,
            ..Publisher::new(3, true)
        },
    ];
    let mut slowest_start = Duration::ZERO;
    let mut slowest_answer = Duration::ZERO;
    let began = now();

    load.run(&mut server, publishers, &mut dice, |server, dice, seen| {
        for round in 0..ROUNDS {
            // Often longer than an acknowledgement may take to be stored, so that a life that stores none shows.
            seen.wait_for_the_moment(dice);
            seen.offsets.look(server);
            let slack = ACK_STORED_WITHIN + seen.ledger.take_slowest();
            slowest_answer = slowest_answer.max(slack - ACK_STORED_WITHIN);
            assert!(slack < SLACK_MAX, "an answer took {slack:?}");
            seen.kills.add(now(), slack);
            if round % 5 == 4 {
                server.stop_and_kill_after(Duration::from_micros(dice.between(0, 30_000)));
            } else {
                server.kill();
            }
            if round % 5 == 3 {
                for _ in 0..dice.between(1, 3) {
                    server.start_and_kill_after(Duration::from_micros(dice.between(0, 60_000)));
                }
            }
            let starting = now();
            server.start_again();
            slowest_start = slowest_start.max(starting.elapsed());
            seen.offsets.look(server);
            seen.log.read_on(&server.rest(), seen.ledger);
        }
    });

    load.assert_kept(&server, 100);
    assert!(
        slowest_start < READY_WITHIN,
        "a start took {slowest_start:?}"
    );
    server.assert_running();

    println!(
        "{ROUNDS} kills in {:?}: {load}; slowest start {slowest_start:?}, slowest answer {slowest_answer:?}",
        began.elapsed(),
    );
    for (name, deliveries, repeats) in load.deliveries() {
        println!("{name}: {deliveries} deliveries, {repeats} of them repeats");
        assert!(deliveries > repeats, "{name} got nothing");
    }
}

/// Kept next to the test: what holds deliveries against the promises has to notice when one is broken.
mod of_the_passes {
    use super::*;

    /// One life with these deliveries, each acknowledged long before it ends; then another life.
    fn after_a_life(sequences: &[i64]) -> Passes {
        let kills = Kills::default();
        let mut passes = Passes::new("app", |_| true);
        passes.connected(0, &kills);
        let long_ago: Instant = now();
        for sequence in sequences {
            passes.delivered(*sequence, &format!("t{sequence}"));
            passes.settled(*sequence, long_ago, false);
        }
        kills.add(long_ago + Duration::from_secs(1), ACK_STORED_WITHIN);
        passes.connected(1, &kills);
        passes
    }

    #[test]
    #[should_panic(expected = "was settled long before the kill")]
    fn a_repeat_without_need_is_noticed() {
        after_a_life(&[1, 2, 3]).delivered(3, "t3");
    }

    #[test]
    fn what_comes_next_is_in_order() {
        after_a_life(&[1, 2, 3]).delivered(4, "t4");
    }

    #[test]
    #[should_panic(expected = "was delivered after 2, on one connection")]
    fn disorder_is_noticed() {
        let mut passes = Passes::new("app", |_| true);
        passes.connected(0, &Kills::default());
        passes.delivered(2, "t2");
        passes.delivered(1, "t1");
    }

    #[test]
    #[should_panic(expected = "2 was not answered")]
    fn an_unanswered_event_that_does_not_come_again_is_noticed() {
        let kills = Kills::default();
        let mut passes = Passes::new("app", |_| true);
        passes.connected(0, &kills);
        for sequence in 1..=3 {
            passes.delivered(sequence, "t");
            if sequence != 2 {
                passes.settled(sequence, now(), false);
            }
        }
        kills.add(now(), ACK_STORED_WITHIN);
        passes.connected(1, &kills);
        passes.delivered(3, "t");
    }

    #[test]
    #[should_panic(expected = "was parked or skipped and comes again")]
    fn a_parked_event_that_comes_again_is_noticed() {
        let mut passes = Passes::new("app", |_| true);
        passes.connected(0, &Kills::default());
        passes.delivered(1, "t1");
        passes.delivered(2, "t2");
        passes.settled(2, now(), true);
        passes.retried(1);
        passes.delivered(1, "t1");
        passes.delivered(2, "t2");
    }
}

/// The same of what a test with one kill uses.
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
