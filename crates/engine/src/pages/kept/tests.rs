//! Which pages are read, and which are kept?

use std::sync::Arc;

use photinus_contract::record::{RecordContent, RecordEvent};
use photinus_contract::{EventType, MessageId, Record, Timestamp};

use super::*;

/// Every record is one event of so many bytes.
pub(super) const BYTES: usize = 10;

/// Where a read begins, and of how many records it is.
pub(super) type Place = (i64, usize);

pub(super) struct World {
    pub(super) kept: Kept<u8>,
    pub(super) namespace: Namespace,
    pub(super) head: i64,
    pub(super) now: Instant,
}

impl World {
    /// A log up to `head`; pages of up to 256 records, and so many records of all pages are kept.
    pub(super) fn new(head: i64, records_max: usize) -> Self {
        let limit = ReadLimit {
            records: 256,
            bytes: 256 * BYTES,
        };
        Self {
            kept: Kept::new(limit, records_max * BYTES),
            namespace: Namespace::new("ns"),
            head,
            now: Instant::now(),
        }
    }

    pub(super) fn find(&mut self, after: i64, who: u8) -> Found {
        let (after, head) = (Sequence(after), Sequence(self.head));
        self.kept.find(&self.namespace, after, head, &who, self.now)
    }

    /// Where the page begins and ends, and what is read early.
    pub(super) fn page(&mut self, after: i64) -> (i64, i64, Option<Place>) {
        match self.find(after, 0) {
            Found::Page { piece, next } => (piece.after.0, piece.through.0, next.map(place)),
            other => panic!("{other:?}"),
        }
    }

    /// How many records are read because the page is missing.
    pub(super) fn missing(&mut self, after: i64) -> usize {
        match self.find(after, 0) {
            Found::Missing(read) => {
                assert_eq!(read.after, Sequence(after));
                read.limit.records
            }
            other => panic!("{other:?}"),
        }
    }

    /// Who gets the page that was read, where each of them is, and what is read early.
    pub(super) fn loaded(&mut self, after: i64, records: usize) -> (Vec<(u8, i64)>, Option<Place>) {
        self.loaded_held(after, records, false)
    }

    /// The same; `held`: the read waited for those behind.
    pub(super) fn loaded_held(
        &mut self,
        after: i64,
        records: usize,
        held: bool,
    ) -> (Vec<(u8, i64)>, Option<Place>) {
        let through = (after + records as i64).min(self.head);
        let piece = Piece {
            after: Sequence(after),
            records: (after + 1..=through).map(record).collect(),
            through: Sequence(through),
            mark: Some(Arc::default()),
        };
        let bytes = piece.records.len() * BYTES;
        let head = Sequence(self.head);
        let (waiting, next) = self
            .kept
            .loaded(&self.namespace, piece, bytes, head, self.now, held);
        let waiting = waiting.into_iter().map(|(who, at)| (who, at.0));
        (waiting.collect(), next.map(place))
    }

    /// Carries out a read, and all that are to follow it. Says how many records were read.
    fn read_all(&mut self, read: Option<Read>) -> usize {
        let mut next = read.map(place);
        let mut records = 0;
        while let Some((after, limit)) = next {
            next = self.loaded(after, limit).1;
            records += limit;
        }
        records
    }

    /// Follows the log from a place to its head. Says how many records were read for it.
    fn follow(&mut self, mut after: i64) -> usize {
        let mut records = 0;
        while after < self.head {
            match self.find(after, 0) {
                Found::Page { piece, next } => {
                    after = piece.through.0;
                    records += self.read_all(next);
                }
                Found::Missing(read) => records += self.read_all(Some(read)),
                Found::OnItsWay => panic!("every read ends at once"),
            }
        }
        records
    }
}

pub(super) fn place(read: Read) -> Place {
    (read.after.0, read.limit.records)
}

fn record(last: i64) -> Arc<Record> {
    let event = RecordEvent {
        topic: "t".into(),
        json: "{".into(),
    };
    let content = RecordContent::new(
        MessageId::from_v7(uuid::Uuid::from_u128(last as u128)),
        Namespace::new("ns"),
        EventType::MessageConfirmed,
        Timestamp::from_nanos(0),
        vec![event],
        0..0,
    );
    Arc::new(Record::new(Sequence(last), content))
}

#[test]
fn pages_grow_from_one_to_the_next_and_two_are_read_early() {
    let mut world = World::new(10_000, 10_000);
    assert_eq!(world.missing(0), 64);
    // Who gets a page that is read has begun with it.
    assert_eq!(world.loaded(0, 64), (vec![(0, 0)], Some((64, 128))));
    assert_eq!(world.page(0), (0, 64, None), "once");
    assert_eq!(world.page(10), (0, 64, None), "once");
    assert!(matches!(world.find(64, 1), Found::OnItsWay));
    assert!(
        matches!(world.find(70, 1), Found::OnItsWay),
        "it will be in it"
    );
    let both = vec![(1, 64), (1, 70)];
    assert_eq!(world.loaded(64, 128), (both, Some((192, 256))));
    assert_eq!(
        world.loaded(192, 256),
        (vec![], Some((448, 256))),
        "at most"
    );
    assert_eq!(world.loaded(448, 256), (vec![], None), "two are enough");
    assert_eq!(world.page(192), (192, 448, Some((704, 256))));
    assert_eq!(world.loaded(704, 256), (vec![], None));
}

#[test]
fn nothing_is_read_early_at_the_head_or_without_room() {
    let mut world = World::new(64, 10_000);
    world.missing(0);
    assert_eq!(world.loaded(0, 64).1, None);
    // A quarter of this is less than a page.
    let mut world = World::new(10_000, 1_000);
    world.missing(0);
    assert_eq!(world.loaded(0, 64).1, None);
    // There is room for two that nobody has begun with.
    let mut world = World::new(10_000, 2_048);
    world.missing(0);
    assert_eq!(world.loaded(0, 64).1, Some((64, 128)));
    world.missing(1_000);
    assert_eq!(world.loaded(1_000, 64).1, Some((1_064, 128)));
    world.missing(2_000);
    assert_eq!(world.loaded(2_000, 64).1, None, "two others wait");
    assert_eq!(world.loaded(64, 128).1, None, "they wait still");
    assert_eq!(world.page(64), (64, 192, Some((192, 256))));
}

#[test]
fn a_page_ends_where_another_begins() {
    let mut world = World::new(10_000, 10_000);
    world.missing(50);
    world.loaded(50, 64);
    assert_eq!(world.missing(0), 50);
    world.loaded(0, 50);
    assert_eq!(world.page(0), (0, 50, None), "the next is there");
    assert_eq!(world.page(50).1, 114);
}

#[test]
fn a_page_whose_records_take_several_sequences_ends_there_too() {
    let mut world = World::new(10_000, 10_000);
    world.missing(50);
    world.loaded(50, 64);
    assert_eq!(world.missing(0), 50, "they can reach up to 100");
    let mut piece = Piece {
        after: Sequence(0),
        records: (1..=50).map(|number| record(2 * number)).collect(),
        through: Sequence(100),
        mark: None,
    };
    world.kept.cut(&world.namespace, &mut piece);
    assert_eq!((piece.through, piece.records.len()), (Sequence(50), 25));
}

#[test]
fn who_waited_for_a_page_that_failed_asks_again() {
    let mut world = World::new(100, 10_000);
    world.missing(0);
    world.find(0, 7);
    let waiting = world.kept.failed(&world.namespace, Sequence(0));
    assert_eq!(waiting, [(0, Sequence(0)), (7, Sequence(0))]);
    assert!(
        world.kept.logs.is_empty(),
        "nothing is kept of a log without pages"
    );
    assert_eq!(world.missing(0), 64);
}

#[test]
fn the_oldest_leave_first_and_all_is_bounded() {
    let mut world = World::new(100_000, 2_048);
    assert!(world.follow(0) < 101_000, "each is read once");
    assert!(world.kept.bytes() <= 2_048 * BYTES);
    assert!(matches!(world.find(0, 0), Found::Missing(_)));
}

/// Subscriptions that go through the log one behind the other read it once, as long as the pages between them
/// are kept.
#[test]
fn followers_share_what_the_first_has_read() {
    let mut world = World::new(20_000, 8_192);
    let mut places: Vec<i64> = (0..100).map(|number| number * 40).collect();
    let mut records = 0;
    let mut turn = 0;
    while places.iter().any(|place| *place < world.head) {
        turn += 1;
        for (number, place) in places.iter_mut().enumerate() {
            // Each takes what fits its window, and some are a little faster than others now and then.
            if *place >= world.head || (turn + number) % 7 == 0 {
                continue;
            }
            loop {
                match world.find(*place, 0) {
                    Found::Page { piece, next } => {
                        *place = piece.through.0.min(*place + 50);
                        records += world.read_all(next);
                        break;
                    }
                    Found::Missing(read) => records += world.read_all(Some(read)),
                    Found::OnItsWay => panic!("every read ends at once"),
                }
            }
        }
    }
    assert!(records < 21_000, "{records} of 20000 records were read");
}

/// Where subscriptions are so far apart that large pages for all of them do not fit, they get small ones, and not
/// a large one anew for each step.
#[test]
fn far_apart_pages_stay_small() {
    let mut world = World::new(100_000, 8_192);
    let mut places: Vec<i64> = (0..100).map(|number| number * 1_000).collect();
    let (mut records, steps) = (0, 500);
    for _ in 0..steps {
        for place in &mut places {
            match world.find(*place, 0) {
                Found::Missing(read) => records += world.read_all(Some(read)),
                Found::Page { next, .. } => records += world.read_all(next),
                Found::OnItsWay => panic!("every read ends at once"),
            }
            *place += 1;
        }
    }
    let needed = places.len() * steps;
    assert!(records < 2 * needed, "{records} were read, {needed} needed");
}
