//! Do those who are about as fast stay together, and what does one who is slower cost the others?

use std::sync::Arc;
use std::time::Duration;

use photinus_contract::Sequence;
use tokio::time::Instant;

use super::super::tests::{BYTES, Place, World, place};
use super::super::{Found, Read};

const TICK: Duration = Duration::from_millis(1);
/// Records that are kept.
const KEPT: usize = 8_192;

/// One who goes through the log.
struct Reader {
    place: i64,
    /// Records a tick, in hundredths.
    speed: i64,
    /// What is left of earlier ticks, in hundredths of a record.
    left: i64,
    mark: Option<Arc<()>>,
    /// When it was at the head.
    ended: Option<u32>,
}

/// Readers in a world in which a read takes no time, but may wait for those behind.
struct Race {
    world: World,
    readers: Vec<Reader>,
    waiting: Vec<(Place, Option<Instant>)>,
    records_read: usize,
    ticks: u32,
}

impl Race {
    fn new(head: i64, speeds: impl IntoIterator<Item = i64>) -> Self {
        let readers = speeds.into_iter().map(|speed| Reader {
            place: 0,
            speed,
            left: 0,
            mark: None,
            ended: None,
        });
        Self {
            world: World::new(head, KEPT),
            readers: readers.collect(),
            waiting: Vec::new(),
            records_read: 0,
            ticks: 0,
        }
    }

    /// Until all are at the head.
    fn run(mut self) -> Self {
        while self.readers.iter().any(|reader| reader.ended.is_none()) {
            self.ticks += 1;
            assert!(self.ticks < 1_000_000, "somebody waits for ever");
            self.world.now += TICK;
            for number in 0..self.readers.len() {
                self.step(number);
            }
            self.end_waits();
        }
        self
    }

    fn step(&mut self, number: usize) {
        let reader = &mut self.readers[number];
        reader.left = (reader.left + reader.speed).min(10 * reader.speed);
        while reader.left >= 100 && reader.ended.is_none() {
            match self.world.find(reader.place, number as u8) {
                Found::Page { piece, next } => {
                    let records = (piece.through.0 - reader.place).min(reader.left / 100);
                    reader.mark = piece.mark;
                    reader.place += records;
                    reader.left -= 100 * records;
                    if reader.place == self.world.head {
                        (reader.ended, reader.mark) = (Some(self.ticks), None);
                    }
                    if let Some(next) = next {
                        self.waiting.push((place(next), self.until(next)));
                        return self.end_waits();
                    }
                }
                Found::Missing(read) => {
                    self.waiting.push((place(read), self.until(read)));
                    return self.end_waits();
                }
                Found::OnItsWay => return,
            }
        }
    }

    fn until(&self, read: Read) -> Option<Instant> {
        let Self { world, .. } = self;
        world.kept.wait_until(&world.namespace, read.after)
    }

    /// Carries out the reads that need not wait any more.
    fn end_waits(&mut self) {
        let mut still = Vec::new();
        while let Some(((after, records), until)) = self.waiting.pop() {
            let world = &mut self.world;
            let is_early = until.is_some_and(|until| world.now < until);
            if is_early && world.kept.is_far_ahead(&world.namespace, Sequence(after)) {
                still.push(((after, records), until));
                continue;
            }
            let held = until.is_some_and(|until| world.now >= until);
            self.records_read += records;
            let (_, next) = world.loaded_held(after, records, held);
            if let Some(next) = next {
                self.waiting.push((next, None));
            }
        }
        self.waiting = still;
    }

    /// When the one who was last of so many was at the head.
    fn ended(&self, readers: usize) -> u32 {
        let ended = self.readers[..readers].iter().map(|reader| reader.ended);
        ended.max().flatten().unwrap()
    }
}

#[test]
fn those_who_are_about_as_fast_read_each_record_once() {
    const HEAD: i64 = 400_000;
    // From 2 per cent slower to 2 per cent faster: 16,000 records in all, twice what is kept.
    let race = Race::new(HEAD, (0..40).map(|number| 980 + number)).run();
    let times = race.records_read as f64 / HEAD as f64;
    assert!(times < 1.2, "each was read {times} times");
    assert!(race.world.kept.bytes() <= KEPT * BYTES);
}

#[test]
fn one_who_is_slower_costs_the_others_little() {
    const HEAD: i64 = 400_000;
    let alone = Race::new(HEAD, [1_000; 9]).run().ended(9);
    for slow in [100, 300, 700, 900] {
        let speeds = [[1_000; 9].as_slice(), &[slow]].concat();
        let beside = Race::new(HEAD, speeds).run();
        let ratio = f64::from(beside.ended(9)) / f64::from(alone);
        assert!(ratio < 1.3, "{ratio} times as long beside one with {slow}");
        let times = beside.records_read as f64 / HEAD as f64;
        assert!(times < 3.0, "each was read {times} times");
    }
}

#[test]
fn a_row_loses_its_first_page_first_and_one_without_readers_before_one_with() {
    let mut world = World::new(100_000, 1_024);
    for begin in [50_000, 0] {
        let mut at = begin;
        for records in [64, 128, 256] {
            world.find(at, 0);
            world.loaded(at, records);
            at += records as i64;
        }
    }
    let is_there = |world: &World, at: i64| {
        let log = world.kept.logs.get(&world.namespace);
        log.is_some_and(|log| log.contains_key(&Sequence(at)))
    };
    // Somebody is in the first page of the older row.
    let Found::Page { piece, .. } = world.find(50_000, 0) else {
        panic!("it is kept")
    };
    world.find(0, 0);
    world.missing(90_000);
    world.loaded(90_000, 256);
    assert!(is_there(&world, 50_000), "somebody is in it");
    assert!(!is_there(&world, 0), "nobody is in it");
    assert!(is_there(&world, 192), "those behind it would come to it");
    drop(piece);
}
