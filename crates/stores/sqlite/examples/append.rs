//! How fast does the store append and read, next to SQLite with one plain table and next to the bare disk?
//!
//! `cargo run --release -p photinus-store-sqlite --example append [directory]`. Rounds of all of them are
//! interleaved, so that a noisy machine disturbs them alike; medians are printed, with the span.
// Measuring is what the clock is for here.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use photinus_contract::data::{RecordValue, Validator};
use photinus_contract::record::{NewRecord, RecordContent, RecordEvent};
use photinus_contract::store::{Log, NamespaceInfo, Namespaces, ReadLimit};
use photinus_contract::{EventType, MessageId, Namespace, Sequence, Timestamp};
use photinus_store_sqlite::{Config, SqliteStore};
use rusqlite::{Connection, params};
use tokio::runtime::Runtime;
use uuid::Uuid;

const EVENT_BYTES: usize = 600;
const VALUE_BYTES: usize = 100;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(700);
/// How long groups are appended without a pause, to see what checkpoints cost.
const SUSTAINED: Duration = Duration::from_secs(6);
/// Rows of a page that is read.
const PAGE: usize = 1_000;

fn main() {
    let directory = match std::env::args().nth(1) {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    }
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut world = World::new(directory.path(), &runtime);

    println!(
        "{:>34} {:>12} {:>21}",
        "rows/s", "median", "lowest … highest"
    );
    for group in [1, 100, 1_000] {
        let mut rates: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            rates[0].push(rate(group, || world.store_append(&runtime, group)));
            rates[1].push(rate(group, || world.plain_append(group)));
            rates[2].push(rate(group, || world.disk_append(group)));
        }
        let names = ["store", "one plain table", "write and fdatasync"];
        let medians: Vec<f64> = names
            .iter()
            .zip(&mut rates)
            .map(|(name, rates)| report(&format!("groups of {group}: {name}"), rates))
            .collect();
        println!(
            "{:>34} {:.2} of the plain table, {:.2} of the disk",
            "store:",
            medians[0] / medians[1],
            medians[0] / medians[2]
        );
    }

    for checkpoint_pages in [u32::MAX, 4096, 1024, 4096, u32::MAX] {
        let place = directory.path().join("sustained");
        world.sustain(&runtime, &place, checkpoint_pages);
        std::fs::remove_dir_all(place).unwrap();
    }

    let mut rates: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        rates[0].push(rate(PAGE, || world.store_read(&runtime)));
        rates[1].push(rate(PAGE, || world.plain_read()));
    }
    for (name, rates) in ["store", "one plain table"].iter().zip(&mut rates) {
        report(&format!("pages of {PAGE}: {name}"), rates);
    }
}

/// Rows a second: `step` does `rows` of them.
fn rate(rows: usize, mut step: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < ROUND {
        step();
        done += rows;
    }
    done as f64 / start.elapsed().as_secs_f64()
}

fn report(name: &str, rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    let median = rates[rates.len() / 2];
    println!(
        "{name:>34} {median:>12.0} {:>10.0} … {:.0}",
        rates[0],
        rates[rates.len() - 1]
    );
    median
}

fn open(place: &Path, config: Config, namespace: &Namespace, runtime: &Runtime) -> SqliteStore {
    let store = SqliteStore::open(place, config).unwrap();
    let info = NamespaceInfo::new(namespace.clone(), "", Timestamp::from_nanos(1));
    runtime.block_on(store.create_namespace(info)).unwrap();
    store
}

struct World {
    store: SqliteStore,
    namespace: Namespace,
    plain: Connection,
    file: File,
    /// The number of the last message.
    number: u64,
    /// Where reading stands, in the store and in the plain table.
    read: [i64; 2],
}

impl World {
    fn new(directory: &Path, runtime: &Runtime) -> Self {
        let namespace = Namespace::new("default");
        let place = directory.join("store");
        let store = open(&place, Config::default(), &namespace, runtime);
        let plain = Connection::open(directory.join("plain.db")).unwrap();
        plain
            .execute_batch(
                "PRAGMA journal_mode = wal; PRAGMA synchronous = full; \
                 PRAGMA wal_autocheckpoint = 4096; PRAGMA cache_size = -16384; \
                 CREATE TABLE plain (pos INTEGER PRIMARY KEY, id BLOB UNIQUE, body BLOB);",
            )
            .unwrap();
        Self {
            store,
            namespace,
            plain,
            file: File::create(directory.join("file")).unwrap(),
            number: 0,
            read: [0, 0],
        }
    }

    fn next_id(&mut self) -> MessageId {
        self.number += 1;
        MessageId::from_v7(Uuid::from_u128(u128::from(self.number) << 12))
    }

    fn record(&mut self) -> NewRecord {
        let id = self.next_id();
        let event = RecordEvent {
            topic: "orders".into(),
            json: Bytes::from(vec![b'e'; EVENT_BYTES]),
        };
        let mut content = RecordContent::new(
            id,
            self.namespace.clone(),
            EventType::MessageConfirmed,
            Timestamp::from_nanos(1_790_000_000_000_000_000 + self.number as i64),
            vec![event],
            100..EVENT_BYTES,
        );
        content.edit(|parts| {
            parts.tag = "order-created".to_owned();
            parts.author = "did:firefly:org/acme".to_owned();
            parts.values = vec![RecordValue {
                validator: Validator::Json,
                json: Some(Bytes::from(vec![b'v'; VALUE_BYTES])),
            }];
        });
        NewRecord::new(content)
    }

    fn store_append(&mut self, runtime: &Runtime, group: usize) {
        let records = (0..group).map(|_| self.record()).collect();
        for answer in runtime.block_on(self.store.append(records)) {
            answer.unwrap();
        }
    }

    /// How long groups wait while the write-ahead file is kept short.
    fn sustain(&mut self, runtime: &Runtime, place: &Path, checkpoint_pages: u32) {
        let mut config = Config::default();
        config.checkpoint_pages = checkpoint_pages.try_into().unwrap();
        let store = open(place, config, &self.namespace, runtime);
        let regular = std::mem::replace(&mut self.store, store);
        let wal = place.join("photinus.db-wal");
        let (start, mut waits, mut longest) = (Instant::now(), Vec::new(), 0);
        while start.elapsed() < SUSTAINED {
            let begun = Instant::now();
            self.store_append(runtime, 100);
            waits.push(begun.elapsed().as_secs_f64() * 1e3);
            longest = longest.max(std::fs::metadata(&wal).unwrap().len());
        }
        self.store = regular;
        waits.sort_by(f64::total_cmp);
        let at = |part: f64| waits[(waits.len() as f64 * part) as usize];
        println!(
            "groups of 100 for {SUSTAINED:?}, checkpoint_pages {checkpoint_pages:>10}: {:.0} rows/s, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, longest {:.1} ms; write-ahead file up to {:.0} MB",
            (waits.len() * 100) as f64 / start.elapsed().as_secs_f64(),
            at(0.5),
            at(0.99),
            at(0.999),
            waits[waits.len() - 1],
            longest as f64 / 1e6
        );
    }

    fn plain_append(&mut self, group: usize) {
        let ids: Vec<MessageId> = (0..group).map(|_| self.next_id()).collect();
        let body = [b'e'; EVENT_BYTES + VALUE_BYTES];
        self.plain.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut insert = self
            .plain
            .prepare_cached("INSERT INTO plain (id, body) VALUES (?1, ?2)")
            .unwrap();
        for id in ids {
            insert.execute(params![id.0.as_bytes(), body]).unwrap();
        }
        drop(insert);
        self.plain.execute_batch("COMMIT").unwrap();
    }

    fn disk_append(&mut self, group: usize) {
        let body = vec![b'e'; (EVENT_BYTES + VALUE_BYTES) * group];
        self.file.write_all(&body).unwrap();
        self.file.sync_data().unwrap();
    }

    fn store_read(&mut self, runtime: &Runtime) {
        let limit = ReadLimit {
            records: PAGE,
            bytes: usize::MAX,
        };
        let read = self
            .store
            .read(&self.namespace, Sequence(self.read[0]), limit);
        let page = runtime.block_on(read).unwrap();
        self.read[0] = if page.more {
            page.records.last().unwrap().last.0
        } else {
            0
        };
    }

    fn plain_read(&mut self) {
        let mut select = self
            .plain
            .prepare_cached("SELECT pos, id, body FROM plain WHERE pos > ?1 ORDER BY pos LIMIT ?2")
            .unwrap();
        let rows = select.query_map(params![self.read[1], PAGE as i64], |row| {
            let row: (i64, [u8; 16], Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(row)
        });
        let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
        self.read[1] = rows.last().map_or(0, |row| row.0);
    }
}
