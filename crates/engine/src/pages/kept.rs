//! Which pages are kept, and which are read?
//!
//! Pages do not overlap: one ends where another begins, so that who comes from before joins it. A place that is new
//! begins with a small page, and each that follows is twice as large: where many subscriptions are far apart, so
//! that their pages do not all fit, each of them costs little.

use std::collections::BTreeMap;

use photinus_contract::store::ReadLimit;
use photinus_contract::{Namespace, Sequence};

use crate::tail::Piece;

/// Records of the first page at a place.
const FIRST_RECORDS: usize = 64;
/// The part of all bytes that pages with which nobody has begun yet may take.
const AHEAD_PART: usize = 4;

/// The pages of all namespaces. `W` is who waits for one.
#[derive(Debug)]
pub(super) struct Kept<W> {
    logs: BTreeMap<Namespace, BTreeMap<Sequence, Slot<W>>>,
    limit: ReadLimit,
    bytes_max: usize,
    bytes: usize,
    uses: u64,
}

/// A page, by what it begins after.
#[derive(Debug)]
struct Slot<W> {
    /// Somebody has begun with it. Until then it is only read ahead.
    begun: bool,
    /// When it was used last.
    used: u64,
    state: State<W>,
}

#[derive(Debug)]
enum State<W> {
    Loading {
        /// It probably ends here, or before.
        through: Sequence,
        waiting: Vec<(W, Sequence)>,
    },
    Loaded {
        piece: Piece,
        bytes: usize,
    },
}

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) after: Sequence,
    pub(super) limit: ReadLimit,
}

/// What came of looking for a page.
#[derive(Debug)]
pub(super) enum Found {
    /// This is it; `ahead` is to be read meanwhile.
    Page { piece: Piece, ahead: Option<Read> },
    /// It is being read.
    OnItsWay,
    /// It has to be read.
    Missing(Read),
}

impl<W: Clone + PartialEq> Kept<W> {
    pub(super) fn new(limit: ReadLimit, bytes_max: usize) -> Self {
        Self {
            logs: BTreeMap::new(),
            limit,
            bytes_max,
            bytes: 0,
            uses: 0,
        }
    }

    /// How many bytes the pages take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Looks for the page in which `after` is followed by what comes next. If it is not there, `who` is remembered
    /// for when it is. The log goes on up to `head`.
    pub(super) fn find(
        &mut self,
        namespace: &Namespace,
        after: Sequence,
        head: Sequence,
        who: &W,
    ) -> Found {
        self.uses += 1;
        let log = self.logs.entry(namespace.clone()).or_default();
        if let Some((start, slot)) = log.range_mut(..=after).next_back() {
            match &mut slot.state {
                State::Loaded { piece, .. } if piece.through > after => {
                    slot.used = self.uses;
                    let piece = piece.clone();
                    let is_first = !std::mem::replace(&mut slot.begun, true);
                    let goes_on = is_first && piece.through < head;
                    let ahead = goes_on.then(|| self.ahead(namespace, piece.through));
                    let ahead = ahead.flatten();
                    return Found::Page { piece, ahead };
                }
                State::Loading { through, waiting } if *start == after || *through > after => {
                    if !waiting
                        .iter()
                        .any(|(other, at)| other == who && *at == after)
                    {
                        waiting.push((who.clone(), after));
                    }
                    return Found::OnItsWay;
                }
                _ => {}
            }
        }
        Found::Missing(self.load(namespace, after, vec![(who.clone(), after)]))
    }

    /// A page was read. Says who waits for it.
    pub(super) fn loaded(
        &mut self,
        namespace: &Namespace,
        piece: Piece,
        bytes: usize,
    ) -> Vec<(W, Sequence)> {
        let after = piece.after;
        let slot = Slot {
            begun: false,
            used: self.uses,
            state: State::Loaded { piece, bytes },
        };
        self.bytes += bytes;
        let waiting = self.put(namespace, after, slot);
        while self.bytes > self.bytes_max && self.drop_oldest(namespace, after) {}
        waiting
    }

    /// A page could not be read. Says who waits for it.
    pub(super) fn failed(&mut self, namespace: &Namespace, after: Sequence) -> Vec<(W, Sequence)> {
        let log = self.logs.get_mut(namespace);
        let slot = log.and_then(|log| log.remove(&after));
        self.taken_out(slot)
    }

    /// The page that begins after `after`, if it is to be read ahead: it is not there, and there is room for it.
    fn ahead(&mut self, namespace: &Namespace, after: Sequence) -> Option<Read> {
        let is_there = self.logs.get(namespace)?.contains_key(&after);
        let slots = self.logs.values().flat_map(BTreeMap::values);
        let not_begun = slots.filter(|slot| !slot.begun).count();
        let fits = (not_begun + 1).saturating_mul(self.limit.bytes) <= self.bytes_max / AHEAD_PART;
        (!is_there && fits).then(|| self.load(namespace, after, Vec::new()))
    }

    /// Makes the place for a page that is read from now on.
    fn load(
        &mut self,
        namespace: &Namespace,
        after: Sequence,
        waiting: Vec<(W, Sequence)>,
    ) -> Read {
        let log = self.logs.entry(namespace.clone()).or_default();
        let before = log.range(..after).next_back().map(|(_, slot)| &slot.state);
        let wanted = match before {
            Some(State::Loaded { piece, .. }) if piece.through == after => {
                (2 * piece.records.len()).max(FIRST_RECORDS)
            }
            _ => FIRST_RECORDS,
        };
        let next = log.range(after.next()..).next();
        let until_next = next.map_or(usize::MAX, |(next, _)| next.0.abs_diff(after.0) as usize);
        let records = wanted.min(self.limit.records).min(until_next);
        let slot = Slot {
            begun: false,
            used: self.uses,
            state: State::Loading {
                through: Sequence(after.0.saturating_add_unsigned(records as u64)),
                waiting,
            },
        };
        self.put(namespace, after, slot);
        Read {
            after,
            limit: ReadLimit {
                records,
                bytes: self.limit.bytes,
            },
        }
    }

    fn put(&mut self, namespace: &Namespace, after: Sequence, slot: Slot<W>) -> Vec<(W, Sequence)> {
        let log = self.logs.entry(namespace.clone()).or_default();
        let before = log.insert(after, slot);
        self.taken_out(before)
    }

    /// A page is not kept any more. Says who waits for it.
    fn taken_out(&mut self, slot: Option<Slot<W>>) -> Vec<(W, Sequence)> {
        match slot.map(|slot| slot.state) {
            Some(State::Loading { waiting, .. }) => waiting,
            Some(State::Loaded { bytes, .. }) => {
                self.bytes -= bytes;
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Drops the page that was unused for longest, except the one that was just read.
    fn drop_oldest(&mut self, namespace: &Namespace, newest: Sequence) -> bool {
        let oldest = self
            .logs
            .iter()
            .flat_map(|(name, log)| log.iter().map(move |(after, slot)| (name, *after, slot)))
            .filter(|(name, after, _)| !(*name == namespace && *after == newest))
            .filter(|(_, _, slot)| matches!(slot.state, State::Loaded { .. }))
            .min_by_key(|(_, _, slot)| slot.used)
            .map(|(name, after, _)| (name.clone(), after));
        let Some((name, after)) = oldest else {
            return false;
        };
        let log = self.logs.get_mut(&name);
        let slot = log.and_then(|log| log.remove(&after));
        self.taken_out(slot);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use photinus_contract::record::{RecordContent, RecordEvent};
    use photinus_contract::{EventType, MessageId, Record, Timestamp};

    use super::*;

    /// Every record is one event of so many bytes.
    const BYTES: usize = 10;

    struct World {
        kept: Kept<u8>,
        namespace: Namespace,
        head: i64,
    }

    impl World {
        /// A log up to `head`; pages of up to 256 records, and so many records of all pages are kept.
        fn new(head: i64, records_max: usize) -> Self {
            let limit = ReadLimit {
                records: 256,
                bytes: 256 * BYTES,
            };
            Self {
                kept: Kept::new(limit, records_max * BYTES),
                namespace: Namespace::new("ns"),
                head,
            }
        }

        fn find(&mut self, after: i64, who: u8) -> Found {
            let (after, head) = (Sequence(after), Sequence(self.head));
            self.kept.find(&self.namespace, after, head, &who)
        }

        /// Where the page begins and ends, and what is read ahead.
        fn page(&mut self, after: i64) -> (i64, i64, Option<(i64, usize)>) {
            match self.find(after, 0) {
                Found::Page { piece, ahead } => (
                    piece.after.0,
                    piece.through.0,
                    ahead.map(|read| (read.after.0, read.limit.records)),
                ),
                other => panic!("{other:?}"),
            }
        }

        /// How many records are read because the page is missing.
        fn missing(&mut self, after: i64) -> usize {
            match self.find(after, 0) {
                Found::Missing(read) => {
                    assert_eq!(read.after, Sequence(after));
                    read.limit.records
                }
                other => panic!("{other:?}"),
            }
        }

        fn loaded(&mut self, after: i64, records: usize) -> Vec<(u8, i64)> {
            let through = (after + records as i64).min(self.head);
            let piece = Piece {
                after: Sequence(after),
                records: (after + 1..=through).map(record).collect(),
                through: Sequence(through),
            };
            let bytes = piece.records.len() * BYTES;
            let waiting = self.kept.loaded(&self.namespace, piece, bytes);
            waiting.into_iter().map(|(who, at)| (who, at.0)).collect()
        }

        /// Follows the log from a place to its head. Says how many records were read for it.
        fn follow(&mut self, mut after: i64) -> usize {
            let mut records = 0;
            while after < self.head {
                match self.find(after, 0) {
                    Found::Page { piece, ahead } => {
                        after = piece.through.0;
                        if let Some(Read { after, limit }) = ahead {
                            self.loaded(after.0, limit.records);
                            records += limit.records;
                        }
                    }
                    Found::Missing(read) => {
                        self.loaded(after, read.limit.records);
                        records += read.limit.records;
                    }
                    Found::OnItsWay => panic!("every read ends at once"),
                }
            }
            records
        }
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
    fn pages_grow_from_one_to_the_next_and_the_next_is_read_ahead_once() {
        let mut world = World::new(10_000, 10_000);
        assert_eq!(world.missing(0), 64);
        assert_eq!(world.loaded(0, 64), [(0, 0)]);
        assert_eq!(world.page(0), (0, 64, Some((64, 128))));
        assert_eq!(world.page(10), (0, 64, None), "once");
        assert!(matches!(world.find(64, 1), Found::OnItsWay));
        assert!(
            matches!(world.find(70, 1), Found::OnItsWay),
            "it will be in it"
        );
        assert_eq!(world.loaded(64, 128), [(1, 64), (1, 70)]);
        assert_eq!(world.page(64), (64, 192, Some((192, 256))));
        world.loaded(192, 256);
        assert_eq!(world.page(192), (192, 448, Some((448, 256))), "at most");
    }

    #[test]
    fn nothing_is_read_ahead_at_the_head_or_without_room() {
        let mut world = World::new(64, 10_000);
        world.missing(0);
        world.loaded(0, 64);
        assert_eq!(world.page(0), (0, 64, None));
        // A quarter of this is less than a page.
        let mut world = World::new(10_000, 1_000);
        world.missing(0);
        world.loaded(0, 64);
        assert_eq!(world.page(0), (0, 64, None));
        // There is room for two that nobody has begun with.
        let mut world = World::new(10_000, 2_048);
        for place in [0, 1_000, 2_000] {
            world.missing(place);
            world.loaded(place, 64);
        }
        assert_eq!(world.page(0), (0, 64, None), "two others wait");
        assert_eq!(world.page(1_000), (1_000, 1_064, Some((1_064, 128))));
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
    fn who_waited_for_a_page_that_failed_asks_again() {
        let mut world = World::new(100, 10_000);
        world.missing(0);
        world.find(0, 7);
        let waiting = world.kept.failed(&world.namespace, Sequence(0));
        assert_eq!(waiting, [(0, Sequence(0)), (7, Sequence(0))]);
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
                        Found::Page { piece, ahead } => {
                            *place = piece.through.0.min(*place + 50);
                            if let Some(Read { after, limit }) = ahead {
                                world.loaded(after.0, limit.records);
                                records += limit.records;
                            }
                            break;
                        }
                        Found::Missing(Read { after, limit }) => {
                            world.loaded(after.0, limit.records);
                            records += limit.records;
                        }
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
                if let Found::Missing(Read { after, limit }) = world.find(*place, 0) {
                    world.loaded(after.0, limit.records);
                    records += limit.records;
                }
                *place += 1;
            }
        }
        let needed = places.len() * steps;
        assert!(records < 2 * needed, "{records} were read, {needed} needed");
    }
}
