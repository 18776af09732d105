//! Does a value that a row should not have end in an error?

use std::cell::{Cell, RefCell};

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use crate::in_time;
use crate::stored::{FILE, Opened, filled};

/// The columns that are read back, by table.
const COLUMNS: [(&str, &str); 26] = [
    ("log", "record"),
    ("log", "key"),
    ("log", "pos"),
    ("log", "id"),
    ("large_values", "json"),
    ("large_values", "part"),
    ("subscriptions", "definition"),
    ("subscriptions", "name"),
    ("offsets", "offset"),
    ("offsets", "epoch"),
    ("offsets", "generation"),
    ("offsets", "settled"),
    ("offsets", "failures"),
    ("parked", "sequence"),
    ("parked", "event"),
    ("parked", "epoch"),
    ("parked", "generation"),
    ("parked", "attempts"),
    ("parked", "reason"),
    ("parked", "created"),
    ("groups", "definition"),
    ("namespaces", "created"),
    ("namespaces", "description"),
    ("parked", "error"),
    ("parked", "replay"),
    ("parked", "replay_since"),
];

/// After how many inputs it is checked that none has left a trace.
const ASKED_AGAIN: usize = 100;

/// The first byte chooses a column, the second the type of the value that follows, which is written into one row
/// of that column and read by the store.
pub fn rows(input: &[u8]) {
    thread_local! {
        static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
    }
    let [column, kind, rest @ ..] = input else {
        return;
    };
    let (table, column) = COLUMNS[usize::from(*column) % COLUMNS.len()];
    let value = value(*kind, rest);
    in_time(input, || {
        // After a panic it is not put back: the row would still have the value.
        let world = WORLD.take().unwrap_or_else(World::new);
        world.run(table, column, &value);
        WORLD.set(Some(world));
    });
}

fn value(kind: u8, bytes: &[u8]) -> Value {
    let text = || String::from_utf8_lossy(bytes).into_owned();
    match kind % 5 {
        0 => Value::Text(text()),
        1 => Value::Blob(bytes.to_vec()),
        2 => {
            let mut number = [0; 8];
            let length = bytes.len().min(8);
            number[..length].copy_from_slice(&bytes[..length]);
            Value::Integer(i64::from_le_bytes(number))
        }
        3 => Value::Integer(text().trim().parse().unwrap_or(-1)),
        _ => Value::Null,
    }
}

struct World {
    opened: Opened,
    /// Beside the store, as nobody should write.
    beside: Connection,
    whole: Cell<usize>,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = filled();
        let opened = Opened::open(directory.path()).unwrap();
        let beside = Connection::open(directory.path().join(FILE)).unwrap();
        beside.pragma_update(None, "synchronous", "off").unwrap();
        Self {
            opened,
            beside,
            whole: Cell::new(0),
            _directory: directory,
        }
    }

    fn run(&self, table: &str, column: &str, value: &Value) {
        // What tells the row from others, whatever becomes of the column; other tables have one row here.
        let row: Option<(&str, Value)> = match (table, column) {
            ("log", "id") => Some(("pos", self.first("log", "pos"))),
            ("log", _) => Some(("id", self.first("log", "id"))),
            _ => None,
        };
        let update = |value: &Value| match &row {
            Some((key, row)) => self.beside.execute(
                &format!("UPDATE {table} SET {column} = ?1 WHERE {key} = ?2"),
                params![value, row],
            ),
            None => self
                .beside
                .execute(&format!("UPDATE {table} SET {column} = ?1"), [value]),
        };
        let before = self.first(table, column);
        // Some values cannot stand in their columns.
        if update(value).is_err() {
            return;
        }
        self.opened.ask();
        update(&before).unwrap();
        self.whole.set(self.whole.get() + 1);
        if self.whole.get().is_multiple_of(ASKED_AGAIN) {
            assert_eq!(self.opened.ask(), [], "everything is as it was");
        }
    }

    fn first(&self, table: &str, column: &str) -> Value {
        self.beside
            .query_row(
                &format!("SELECT {column} FROM {table} LIMIT 1"),
                [],
                |row| row.get(0),
            )
            .unwrap()
    }
}
