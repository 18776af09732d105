//! What does it cost to read the log from its beginning to its end, in pages as subscriptions that catch up read it?
//!
//! `cargo run --release -p photinus-store-sqlite --example scan DIRECTORY fill RECORDS` makes a log, and
//! `… scan DIRECTORY read [PAGE RECORDS]` reads all of it; under `valgrind --tool=callgrind` that counts instructions.
// Measuring is what the clock is for here.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::Path;
use std::time::Instant;

use photinus_contract::data::{RecordValue, Validator};
use photinus_contract::record::{NewRecord, RecordContent, RecordEvent};
use photinus_contract::store::{Log, NamespaceInfo, Namespaces, ReadLimit};
use photinus_contract::{EventType, MessageId, Namespace, Sequence, Timestamp};
use photinus_store_sqlite::{Config, SqliteStore};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// The JSON of an event up to its splice point, and of its two values.
const EVENT_BYTES: usize = 900;
const VALUE_BYTES: usize = 60;
const GROUP: u64 = 1_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (directory, what) = (arguments.next().unwrap(), arguments.next().unwrap());
    let number = arguments
        .next()
        .map(|number| number.parse::<u64>().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut config = Config::default();
    if let Some(kib) = arguments.next() {
        config.cache_bytes = kib.parse::<u64>().unwrap() << 10;
    }
    if let Some(mib) = arguments.next() {
        config.mmap_bytes = mib.parse::<u64>().unwrap() << 20;
    }
    let store = SqliteStore::open(Path::new(&directory), config).unwrap();
    let namespace = Namespace::new("default");
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let records = match what.as_str() {
        "fill" => fill(&store, &namespace, &runtime, number.unwrap()),
        _ => read(
            &store,
            &namespace,
            &runtime,
            number.map_or(512, |number| number as usize),
        ),
    };
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!(
        "{records} records, {:.3} µs of CPU and {:.3} µs each",
        cpu * 1e6 / records as f64,
        wall * 1e6 / records as f64
    );
}

fn fill(store: &SqliteStore, namespace: &Namespace, runtime: &Runtime, records: u64) -> u64 {
    let info = NamespaceInfo::new(namespace.clone(), "", Timestamp::from_nanos(1));
    runtime.block_on(store.create_namespace(info)).unwrap();
    for group in 0..records / GROUP {
        let numbers = group * GROUP + 1..=(group + 1) * GROUP;
        let records = numbers.map(|number| record(namespace, number)).collect();
        for answer in runtime.block_on(store.append(records)) {
            answer.unwrap();
        }
    }
    records
}

fn record(namespace: &Namespace, number: u64) -> NewRecord {
    let event = RecordEvent {
        topic: "orders".into(),
        json: vec![b'e'; EVENT_BYTES].into(),
    };
    let mut content = RecordContent::new(
        MessageId::from_v7(Uuid::from_u128(u128::from(number) << 12)),
        namespace.clone(),
        EventType::MessageConfirmed,
        Timestamp::from_nanos(1_790_000_000_000_000_000 + number as i64),
        vec![event],
        100..EVENT_BYTES,
    );
    let value = RecordValue {
        validator: Validator::Json,
        json: Some(vec![b'v'; VALUE_BYTES].into()),
    };
    content.edit(|parts| {
        parts.tag = "order-created".to_owned();
        parts.author = "did:firefly:org/acme".to_owned();
        parts.values = vec![value.clone(), value];
    });
    NewRecord::new(content)
}

fn read(store: &SqliteStore, namespace: &Namespace, runtime: &Runtime, records: usize) -> u64 {
    let limit = ReadLimit {
        records,
        bytes: 1 << 20,
    };
    let (mut after, mut count) = (Sequence(0), 0);
    loop {
        let page = runtime.block_on(store.read(namespace, after, limit));
        let page = page.unwrap();
        count += page.records.len() as u64;
        match page.records.last() {
            Some(last) if page.more => after = last.last,
            _ => return count,
        }
    }
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split(' ').collect();
    let ticks: u64 = fields[12..14]
        .iter()
        .map(|f| f.parse::<u64>().unwrap())
        .sum();
    ticks as f64 / 100.0
}
