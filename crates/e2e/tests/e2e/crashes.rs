//! Is anything lost, disordered or repeated without need when the server is killed again and again?
//!
//! Under load, during a start and during an orderly stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use photinus_e2e::{
    ACK_STORED_WITHIN, Consumer, DeliveryLog, Dice, END, Habit, Kills, Ledger, LogCopy, Passes,
    Publisher, Server, now, publish_end, wait_until,
};

const ROUNDS: usize = 50;
/// Within this time a server that was killed is ready again, on any machine.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How far any machine may be behind before the test proves nothing.
const SLACK_MAX: Duration = Duration::from_secs(10);

/// Applications with all habits.
pub(crate) const CONSUMERS: [Consumer; 6] = [
    consumer("in-order", Habit::InOrder, None, 50, |_| true),
    consumer("shuffled", Habit::Shuffled, None, 20, |_| true),
    consumer("picky", Habit::Picky, Some("blue"), 10, is_blue),
    consumer("blue", Habit::InOrder, Some("blue"), 0, is_blue),
    consumer("batches", Habit::Batches, Some("red"), 10, |topic| {
        topic.ends_with("-red") || topic == END
    }),
    consumer("replying", Habit::Replying, Some("question"), 5, |topic| {
        topic.ends_with("-question") && !topic.starts_with("reply") || topic == END
    }),
];

const fn consumer(
    name: &'static str,
    habit: Habit,
    tag: Option<&'static str>,
    read_ahead: usize,
    matches: fn(&str) -> bool,
) -> Consumer {
    Consumer {
        name,
        habit,
        tag,
        read_ahead,
        matches,
    }
}

fn is_blue(topic: &str) -> bool {
    topic.ends_with("-blue") || topic == END
}

#[test]
fn fifty_kills_lose_nothing_and_repeat_little() {
    let mut dice = Dice::new();
    let mut server = Server::start();
    let rest = server.rest();
    let ids: Vec<String> = CONSUMERS
        .iter()
        .map(|consumer| consumer.subscribe(&rest))
        .collect();
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

    let (ledger, kills) = (Ledger::default(), Kills::default());
    let stop = AtomicBool::new(false);
    let place = server.whereabouts();
    let mut log = LogCopy::default();
    let mut offsets = Offsets::new(ids);
    let mut slowest_start = Duration::ZERO;
    let mut slowest_answer = Duration::ZERO;
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
            // Often longer than an acknowledgement may take to be stored, so that a life that stores none shows.
            let moment = now() + Duration::from_micros(dice.between(50_000, 600_000));
            let goal = ledger.stored() + 20;
            wait_until("publishers to go on, and the moment of the kill", || {
                ledger.stored() >= goal && now() >= moment
            });
            offsets.look(&server);
            let slack = ACK_STORED_WITHIN + ledger.take_slowest();
            slowest_answer = slowest_answer.max(slack - ACK_STORED_WITHIN);
            assert!(slack < SLACK_MAX, "an answer took {slack:?}");
            kills.add(now(), slack);
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
            offsets.look(&server);
            log.read_on(&server.rest(), &ledger);
        }
        let goal = ledger.stored() + 50;
        wait_until("publishers to go on", || ledger.stored() >= goal);
        stop.store(true, Ordering::SeqCst);
        for publisher in publishers {
            publisher.join().unwrap();
        }
        publish_end(&server.rest(), &ledger);
        consumers
            .into_iter()
            .map(|consumer| consumer.join().unwrap())
            .collect()
    });

    let rest = server.rest();
    log.read_on(&rest, &ledger);
    log.assert_unchanged(&rest, usize::MAX);
    log.assert_messages(&rest, &ledger, 100);
    let (&end, _) = log
        .events()
        .iter()
        .find(|(_, event)| event.topic == END)
        .unwrap();
    for passes in &passes {
        passes.assert_complete(&log, end);
    }
    assert_replies(&log, end);
    offsets.look(&server);
    assert!(
        slowest_start < READY_WITHIN,
        "a start took {slowest_start:?}"
    );
    server.assert_running();

    let (_, open) = ledger.unstored();
    println!(
        "{ROUNDS} kills in {:?}: {} answered, {open} left open, {} events; slowest start {slowest_start:?}, slowest answer {slowest_answer:?}",
        began.elapsed(),
        ledger.stored(),
        log.events().len(),
    );
    for (consumer, passes) in CONSUMERS.iter().zip(&passes) {
        let (deliveries, repeats) = passes.counts();
        println!(
            "{}: {deliveries} deliveries, {repeats} of them repeats",
            consumer.name
        );
        assert!(deliveries > repeats, "{} got nothing", consumer.name);
    }
}

/// Each question before the end has exactly one reply, which names it.
#[track_caller]
pub(crate) fn assert_replies(log: &LogCopy, end: i64) {
    let mut questions = 0;
    for event in log.events().range(..end).map(|(_, event)| event) {
        if event.topic.ends_with("-question") && !event.topic.starts_with("reply") {
            questions += 1;
            let reply = log.event(&format!("reply-{}", event.topic));
            let reply = reply.unwrap_or_else(|| panic!("{} has no reply", event.topic));
            assert_eq!(reply.answers.as_ref(), Some(&event.message));
        }
    }
    assert!(questions > 0);
    println!("{questions} questions have one reply each");
}

/// The stored offsets of the subscriptions: they never go back.
pub(crate) struct Offsets(Vec<(String, i64)>);

impl Offsets {
    pub(crate) fn new(ids: Vec<String>) -> Self {
        Self(ids.into_iter().map(|id| (id, -1)).collect())
    }

    #[track_caller]
    pub(crate) fn look(&mut self, server: &Server) {
        let rest = server.rest();
        for (id, offset) in &mut self.0 {
            let shown = rest.get(&format!("/api/v1/subscriptions/{id}?fetchstatus"));
            let shown = shown.expect(200)["status"]["currentOffset"]
                .as_i64()
                .unwrap_or(0);
            assert!(
                shown >= *offset,
                "the offset of {id} went from {offset} to {shown}"
            );
            *offset = shown;
        }
    }
}

/// Lets the publishers end when a failure ends the test before they were told to stop.
pub(crate) struct StopAtTheEnd<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
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
