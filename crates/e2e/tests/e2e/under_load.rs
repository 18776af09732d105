//! What goes on while a server dies again and again, and what must hold in the end?

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use photinus_e2e::{
    Consumer, Dice, END, Habit, Kills, Ledger, LogCopy, Passes, Publisher, Server, now,
    publish_end, wait_until,
};

/// Applications with all habits.
const CONSUMERS: [Consumer; 6] = [
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

/// Publishers and applications of all habits, and what is known of them.
pub(crate) struct Load {
    ledger: Ledger,
    kills: Kills,
    log: LogCopy,
    offsets: Offsets,
    passes: Vec<Passes>,
}

/// What is seen from where the server is killed.
pub(crate) struct Seen<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) kills: &'a Kills,
    pub(crate) log: &'a mut LogCopy,
    pub(crate) offsets: &'a mut Offsets,
}

impl Load {
    /// Subscribes all applications.
    pub(crate) fn new(server: &Server) -> Self {
        let rest = server.rest();
        let ids = CONSUMERS.iter().map(|consumer| consumer.subscribe(&rest));
        Self {
            ledger: Ledger::default(),
            kills: Kills::default(),
            log: LogCopy::default(),
            offsets: Offsets::new(ids.collect()),
            passes: Vec::new(),
        }
    }

    /// Publishes and consumes while `deaths` kills the server and starts it again; then ends the publishers, and
    /// the applications with the last event.
    pub(crate) fn run(
        &mut self,
        server: &mut Server,
        publishers: [Publisher; 4],
        dice: &mut Dice,
        deaths: impl FnOnce(&mut Server, &mut Dice, &mut Seen<'_>),
    ) {
        let (ledger, kills) = (&self.ledger, &self.kills);
        let mut seen = Seen {
            ledger,
            kills,
            log: &mut self.log,
            offsets: &mut self.offsets,
        };
        let stop = AtomicBool::new(false);
        let place = server.whereabouts();
        self.passes = std::thread::scope(|scope| {
            let consumers = CONSUMERS.map(|consumer| {
                let (place, dice) = (&place, dice.another());
                scope.spawn(move || consumer.run(dice, place, kills, ledger))
            });
            let publishers = publishers.map(|publisher| {
                let (place, stop) = (&place, &stop);
                scope.spawn(move || publisher.run(0, place, stop, ledger))
            });
            let _stop = StopAtTheEnd(&stop);
            deaths(server, dice, &mut seen);
            let goal = ledger.stored() + 50;
            wait_until("publishers to go on", || ledger.stored() >= goal);
            stop.store(true, Ordering::SeqCst);
            for publisher in publishers {
                publisher.join().unwrap();
            }
            publish_end(&server.rest(), ledger);
            let consumers = consumers.into_iter();
            consumers.map(|consumer| consumer.join().unwrap()).collect()
        });
    }

    /// Everything answered is there and was delivered, in order and without needless repeats; so many messages
    /// are read one by one.
    #[track_caller]
    pub(crate) fn assert_kept(&mut self, server: &Server, messages: usize) {
        let rest = server.rest();
        self.log.read_on(&rest, &self.ledger);
        self.log.assert_unchanged(&rest, usize::MAX);
        self.log.assert_messages(&rest, &self.ledger, messages);
        let mut events = self.log.events().iter();
        let (&end, _) = events.find(|(_, event)| event.topic == END).unwrap();
        for passes in &self.passes {
            passes.assert_complete(&self.log, end);
        }
        assert_replies(&self.log, end);
        self.offsets.look(server);
    }

    /// Of each application: its name, how many deliveries it got, and how many of them were repeats.
    pub(crate) fn deliveries(&self) -> impl Iterator<Item = (&'static str, usize, usize)> + '_ {
        let passes = CONSUMERS.iter().zip(&self.passes);
        passes.map(|(consumer, passes)| {
            let (deliveries, repeats) = passes.counts();
            (consumer.name, deliveries, repeats)
        })
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stored, (_, open)) = (self.ledger.stored(), self.ledger.unstored());
        let events = self.log.events().len();
        write!(f, "{stored} answered, {open} left open, {events} events")
    }
}

impl Seen<'_> {
    /// Waits until publishing goes on, and until any moment of the next half second.
    pub(crate) fn wait_for_the_moment(&self, dice: &mut Dice) {
        let moment = now() + Duration::from_micros(dice.between(50_000, 600_000));
        let goal = self.ledger.stored() + 20;
        wait_until("publishers to go on, and the moment to come", || {
            self.ledger.stored() >= goal && now() >= moment
        });
    }
}

/// Each question before the end has exactly one reply, which names it.
#[track_caller]
fn assert_replies(log: &LogCopy, end: i64) {
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
    fn new(ids: Vec<String>) -> Self {
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
