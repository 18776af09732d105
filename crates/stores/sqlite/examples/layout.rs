//! Which page size, and what does each index cost?
//!
//! `cargo run --release -p photinus-store-sqlite --example layout [directory]`. Inserts the rows of `log`
//! without the store around them, in interleaved rounds; medians are printed, with the span.
// Measuring is what the clock is for here.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

const SCHEMA: &str = include_str!("../migrations/0001.sql");
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(500);

struct Variant {
    name: &'static str,
    page_bytes: u32,
    /// Statements after the schema.
    change: &'static str,
    /// Whether each row has an idempotency key.
    keyed: bool,
}

const VARIANTS: [Variant; 6] = [
    Variant {
        name: "4 KiB pages",
        page_bytes: 4096,
        change: "",
        keyed: false,
    },
    Variant {
        name: "8 KiB pages",
        page_bytes: 8192,
        change: "",
        keyed: false,
    },
    Variant {
        name: "16 KiB pages",
        page_bytes: 16384,
        change: "",
        keyed: false,
    },
    Variant {
        name: "4 KiB, no index on id",
        page_bytes: 4096,
        change: "DROP INDEX log_id",
        keyed: false,
    },
    Variant {
        name: "4 KiB, each row with a key",
        page_bytes: 4096,
        change: "",
        keyed: true,
    },
    Variant {
        name: "4 KiB, and a random index",
        page_bytes: 4096,
        change: "CREATE INDEX random ON log (correlator)",
        keyed: false,
    },
];

fn main() {
    let directory = match std::env::args().nth(1) {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    }
    .unwrap();
    for group in [1, 100, 1_000] {
        let mut tables: Vec<Table> = VARIANTS
            .iter()
            .map(|variant| Table::new(directory.path(), variant))
            .collect();
        let mut rates = vec![Vec::new(); tables.len()];
        for _ in 0..ROUNDS {
            for (table, rates) in tables.iter_mut().zip(&mut rates) {
                let (start, first) = (Instant::now(), table.rows);
                while start.elapsed() < ROUND {
                    table.append(group);
                }
                rates.push((table.rows - first) as f64 / start.elapsed().as_secs_f64());
            }
        }
        for (table, rates) in tables.iter().zip(&mut rates) {
            rates.sort_by(f64::total_cmp);
            println!(
                "groups of {group:>4}: {:<28} {:>8.0} rows/s ({:.0} … {:.0}), {:>6} bytes written a row, {:>5} kept, read {:.0} rows/s",
                table.variant.name,
                rates[ROUNDS / 2],
                rates[0],
                rates[ROUNDS - 1],
                table.written.load(Ordering::Relaxed) / table.rows,
                table.kept(),
                table.read(),
            );
        }
    }
}

struct Table {
    variant: &'static Variant,
    connection: Connection,
    rows: i64,
    /// Bytes that went to the write-ahead file.
    written: Arc<AtomicI64>,
}

impl Table {
    fn new(directory: &Path, variant: &'static Variant) -> Self {
        let file = tempfile::NamedTempFile::new_in(directory).unwrap();
        let (_, path) = file.keep().unwrap();
        let mut connection = Connection::open(path).unwrap();
        let page_bytes = i64::from(variant.page_bytes);
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {page_bytes}; PRAGMA journal_mode = wal; \
                 PRAGMA synchronous = full; PRAGMA cache_size = -16384; {SCHEMA}; {}",
                variant.change
            ))
            .unwrap();
        let written = Arc::new(AtomicI64::new(0));
        let (count, mut before) = (written.clone(), 0);
        let threshold = (16 << 20) / page_bytes;
        connection
            .wal_hook(Some(move |wal: &mut rusqlite::hooks::Wal, pages: i32| {
                let pages = i64::from(pages);
                // A smaller number than before: the file was begun anew.
                let grown = if pages < before {
                    pages
                } else {
                    pages - before
                };
                count.fetch_add(grown * (page_bytes + 24), Ordering::Relaxed);
                before = pages;
                if pages >= threshold {
                    wal.checkpoint()?;
                }
                Ok(())
            }))
            .unwrap();
        Self {
            variant,
            connection,
            rows: 0,
            written,
        }
    }

    fn append(&mut self, group: usize) {
        let (events, data) = ([b'e'; 600], [b'v'; 100]);
        self.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut insert = self
            .connection
            .prepare_cached(
                "INSERT INTO log VALUES (?1, ?2, 0, ?3, 'orders', 'order-created', \
                 'did:firefly:org/acme', '', ?4, ?5, 100, 500, ?6, ?7, NULL)",
            )
            .unwrap();
        for _ in 0..group {
            self.rows += 1;
            let id = (u128::from(self.rows as u64) << 12).to_be_bytes();
            let random = (u128::from(self.rows as u64)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
            .to_be_bytes();
            let key = self
                .variant
                .keyed
                .then(|| format!("{:x}", u128::from_be_bytes(random)));
            insert
                .execute(params![
                    1 << 40 | self.rows,
                    id,
                    self.rows,
                    random,
                    key,
                    events,
                    data
                ])
                .unwrap();
        }
        drop(insert);
        self.connection.execute_batch("COMMIT").unwrap();
    }

    /// Bytes of the database a row.
    fn kept(&self) -> i64 {
        let pages: i64 = self
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        pages * i64::from(self.variant.page_bytes) / self.rows
    }

    /// Rows that are read in a second.
    fn read(&self) -> f64 {
        let start = Instant::now();
        let mut select = self
            .connection
            .prepare("SELECT * FROM log ORDER BY pos")
            .unwrap();
        let mut rows = select.query([]).unwrap();
        let mut bytes = 0;
        while let Some(row) = rows.next().unwrap() {
            bytes += row.get_ref(12).unwrap().as_blob().unwrap().len();
        }
        assert_eq!(bytes as i64, self.rows * 600);
        self.rows as f64 / start.elapsed().as_secs_f64()
    }
}
