//! What did a server of an older version leave behind, and what did it say?
//!
//! A fixture is a directory of `crates/e2e/fixtures`:
//!
//! ```text
//!   data/          the data directory, as a killed server left it
//!   stored.json    what a server on that data answers and delivers
//!   live.json      a conversation with a server on new data
//! ```
//!
//! Every later build opens it and says at least the same: fields may be added, none may change or go, and no
//! offset moves. `cargo xtask fixture NAME` makes one with the build as it is.

mod conversation;
mod furnish;
mod snapshot;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use self::conversation::live;
pub use self::snapshot::{assert_says, stored};
use crate::{DataDirectory, Server};

/// A fixture on the disk.
pub struct Fixture {
    directory: PathBuf,
}

impl Fixture {
    /// All there are, by name. At least one.
    pub fn all() -> Vec<Self> {
        let fixtures = crate::binary::package().join("fixtures");
        let entries = fs::read_dir(&fixtures).expect("the fixtures are in the package");
        let mut found: Vec<_> = entries
            .map(|entry| entry.expect("a directory can be listed").path())
            .map(|directory| Self { directory })
            .collect();
        found.sort_by(|a, b| a.directory.cmp(&b.directory));
        assert!(!found.is_empty(), "no fixture in {}", fixtures.display());
        found
    }

    /// Its name: the version that made it.
    pub fn name(&self) -> String {
        let name = self.directory.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// A copy of its data.
    pub fn data(&self) -> DataDirectory {
        let copy = DataDirectory::new();
        copy_files(&self.directory.join("data"), copy.path());
        copy
    }

    /// One of its snapshots: `stored` or `live`.
    pub fn snapshot(&self, name: &str) -> Value {
        let path = self.directory.join(format!("{name}.json"));
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).expect("a snapshot is JSON")
    }

    /// Makes a fixture of this name with the build as it is.
    pub fn make(name: &str) -> Self {
        let directory = crate::binary::package().join("fixtures").join(name);
        assert!(!directory.exists(), "{} is there", directory.display());
        let mut server = Server::start();
        furnish::furnish(&mut server);
        server.kill();
        let data = directory.join("data");
        fs::create_dir_all(&data).expect("the package can be written");
        copy_files(&server.data(), &data);

        let made = Self { directory };
        let server = Server::start_with(made.data(), "127.0.0.1:0");
        made.write("stored", &stored(&server));
        made.write("live", &live(&Server::start()));
        made
    }

    fn write(&self, name: &str, value: &Value) {
        let text = serde_json::to_string_pretty(value).expect("JSON can be written");
        let path = self.directory.join(format!("{name}.json"));
        fs::write(path, text + "\n").expect("the package can be written");
    }
}

/// The database and its write-ahead file; what else is there is only of use to a running server.
fn copy_files(from: &Path, to: &Path) {
    for file in ["photinus.db", "photinus.db-wal"] {
        if from.join(file).exists() {
            fs::copy(from.join(file), to.join(file)).expect("a file can be copied");
        }
    }
}
