//! What is committed together, and who is told?

use std::collections::BTreeMap;
use std::sync::Arc;

use photinus_contract::record::{Enclosure, NewRecord, RecordContent, ReplyKey};
pub(super) use photinus_contract::store::Appended;
use photinus_contract::store::{AppendError, StoreError, StoreErrorKind};
use photinus_contract::transport::Published;
use photinus_contract::{Namespace, Record, Sequence, Timestamp};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{Answer, Job, Watch};
use crate::clock::Clock;
use crate::metrics::{Metrics, Origin, Tally};
use crate::namespaces::NamespaceState;
use crate::publish::CommitTime;
use crate::shard::ShardHandle;
use photinus_contract::transport::Chain;

/// What is sealed for the next commit.
pub(super) struct Group {
    clock: Arc<dyn Clock>,
    records_max: usize,
    sealed: Vec<Sealed>,
    records: usize,
    /// The time of commit of what was sealed last.
    time: CommitTime,
    /// The latest that the clock has said.
    now: Timestamp,
}

/// A job whose records have their time of commit.
struct Sealed {
    namespace: Arc<NamespaceState>,
    records: Vec<(RecordContent, Origin)>,
    /// What is stored with some of them, by their places.
    enclosed: Vec<(usize, Arc<Enclosure>)>,
    reply: Option<ReplyKey>,
    chain: Option<Chain>,
    answer: Answer,
    bytes: Option<OwnedSemaphorePermit>,
}

/// A group that was given to the store.
pub(super) struct Given {
    jobs: Vec<Sealed>,
    begun: Instant,
    now: Timestamp,
}

impl Group {
    /// Groups of at most so many records.
    pub(super) fn new(clock: Arc<dyn Clock>, records_max: usize) -> Self {
        let now = Timestamp::from_nanos(0);
        Self {
            clock,
            records_max,
            sealed: Vec::new(),
            records: 0,
            time: CommitTime::new(now),
            now,
        }
    }

    /// How many records are sealed.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    pub(super) fn has_room(&self) -> bool {
        self.has_room_for(1)
    }

    /// Whether so many records can be added. One job always can.
    pub(super) fn has_room_for(&self, records: usize) -> bool {
        self.records == 0 || self.records + records <= self.records_max
    }

    /// Adds records to what is committed next.
    pub(super) fn seal(&mut self, job: Job) {
        // The time of a record is its time of commit, and never goes back along a log. What the tail does not know
        // yet was sealed at what the clock said before.
        self.now = self.now.max(self.clock.now());
        let created = self.now.max(job.namespace.tail.newest());
        if created != self.time.time() {
            self.time = CommitTime::new(created);
        }
        self.records += job.drafts.len();
        let drafts = job.drafts.into_iter().enumerate();
        let mut all_enclosed = Vec::new();
        let seal = |(place, mut draft): (usize, crate::publish::Draft)| {
            let enclosed = draft.take_enclosed(&self.time);
            all_enclosed.extend(enclosed.map(|enclosed| (place, enclosed)));
            let origin = draft.origin;
            (
                draft.seal(job.namespace.info.name.clone(), &self.time),
                origin,
            )
        };
        self.sealed.push(Sealed {
            records: drafts.map(seal).collect(),
            enclosed: all_enclosed,
            namespace: job.namespace,
            reply: job.reply,
            chain: job.chain,
            answer: job.answer,
            bytes: job.bytes,
        });
    }

    /// Refuses what would overtake a message on which the store has failed.
    pub(super) fn refuse_overtaking(&mut self, metrics: &Metrics) {
        let broken = |job: &mut Sealed| job.chain.as_ref().is_some_and(Chain::is_broken);
        for job in self.sealed.extract_if(.., broken) {
            self.records -= job.records.len();
            let text = "a message before this one could not be stored";
            let error: AppendError = StoreError::new(StoreErrorKind::Unavailable, text).into();
            job.tally().refused(&error, metrics);
            let results = job.records.iter().map(|_| Err(error.clone()));
            job.answer.send(results.collect());
        }
    }

    /// All of it, and what the store is to append; nothing if there is nothing.
    pub(super) fn give(&mut self) -> Option<(Given, Vec<NewRecord>)> {
        if self.sealed.is_empty() {
            return None;
        }
        let mut records = Vec::with_capacity(self.records);
        for job in &self.sealed {
            records.extend(job.records.iter().map(|(content, _)| {
                let mut record = NewRecord::new(content.clone());
                record.reply = job.reply;
                record
            }));
            let first = records.len() - job.records.len();
            for (place, enclosed) in &job.enclosed {
                records[first + place].enclosed = Some(enclosed.clone());
            }
        }
        self.records = 0;
        let given = Given {
            jobs: std::mem::take(&mut self.sealed),
            begun: Instant::now(),
            now: self.now,
        };
        Some((given, records))
    }
}

impl Sealed {
    fn tally(&self) -> Tally<'_> {
        Tally {
            namespace: &self.namespace,
            records: &self.records,
        }
    }
}

/// What a group added to the log of one namespace.
struct Committed {
    namespace: Arc<NamespaceState>,
    /// Each with the sequence just before it.
    records: Vec<(Sequence, Arc<Record>)>,
}

impl Given {
    /// A chain in which the store has failed is broken from then on.
    pub(super) fn break_chains(&self, results: &[Result<Appended, AppendError>]) {
        let mut rest = results;
        for job in &self.jobs {
            let (mine, others) = rest.split_at(job.records.len().min(rest.len()));
            rest = others;
            let has_failed = || mine.iter().any(|r| matches!(r, Err(AppendError::Store(_))));
            if let Some(chain) = &job.chain
                && has_failed()
            {
                chain.break_now();
            }
        }
    }

    /// Tells all who have to know what became of it: who counts, who reads the log, and last who waits.
    pub(super) fn tell(
        self,
        results: Vec<Result<Appended, AppendError>>,
        watch: &Watch,
        shards: &[ShardHandle],
    ) {
        let counted = Instant::now();
        let mut bytes = 0;
        let count = results.len();
        let mut results = &results[..];
        let mut committed: BTreeMap<Namespace, Committed> = BTreeMap::new();
        let mut answers = Vec::with_capacity(self.jobs.len());
        for job in self.jobs {
            debug_assert!(results.len() >= job.records.len());
            let (mine, others) = results.split_at(job.records.len());
            results = others;
            job.tally().count(mine, counted, &watch.metrics);
            for (place, enclosed) in &job.enclosed {
                if matches!(mine.get(*place), Some(Ok(_))) {
                    watch.changes.enclosed(enclosed);
                }
            }
            let name = job.namespace.info.name.clone();
            let log = committed.entry(name).or_insert_with(|| Committed {
                namespace: job.namespace,
                records: Vec::with_capacity(mine.len()),
            });
            let mut answer = Vec::with_capacity(mine.len());
            for ((content, _), result) in job.records.into_iter().zip(mine) {
                bytes += content.size();
                answer.push(result.clone().map(|appended| {
                    let record = Arc::new(Record::new(appended.last, content));
                    log.records.push((appended.previous, record.clone()));
                    record
                }));
            }
            answers.push((job.answer, answer, job.bytes));
        }
        let groups = &watch.metrics.groups;
        groups.count(self.begun, counted, count, bytes);
        for Committed { namespace, records } in committed.into_values() {
            if !records.is_empty() {
                watch.changes.committed(&records, self.now);
                namespace.tail.push(records);
            }
        }
        for shard in shards {
            shard.tail_moved();
        }
        for (answer, results, bytes) in answers {
            drop(bytes);
            answer.send(results);
        }
    }
}

impl Answer {
    // Nobody may wait any more; what is committed is committed all the same.
    fn send(self, mut results: Vec<Result<Arc<Record>, AppendError>>) {
        match self {
            Answer::Alone(waiting) => {
                if let Some(result) = results.pop() {
                    let _ = waiting.send(result);
                }
            }
            Answer::Lot(waiting) => {
                let published =
                    |record: Arc<Record>| Published::new(record.content.id, record.last);
                let results = results.into_iter().map(|result| result.map(published));
                let _ = waiting.send(results.collect());
            }
        }
    }
}
