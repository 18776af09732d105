//! What is left of a server's data when the power fails, or when the disk is full or broken?
//!
//! `shim/power.c` is compiled and preloaded into the server. It keeps a shadow of the data directory, which holds
//! what was synced and no more. A cut replaces the data by the shadow, or by the shadow with some of the blocks
//! that were on their way, as a real disk would have it.

mod disk;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use self::disk::Disk;
use crate::binary::package;
use crate::dice::Dice;
use crate::launch::Launch;
use crate::server::DataDirectory;

/// What of the unsynced writes survives a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing.
    Nothing,
    /// Of each file some blocks, in no order.
    SomeBlocks,
}

/// What a full disk refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// What makes a file longer, as on most file systems.
    Growth = 1,
    /// Every write, as on those that never write in place.
    AllWrites = 2,
}

/// What the shim has seen, over all lives of the server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Writes to files of the data.
    pub writes: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Syncs of directories.
    pub directory_syncs: u64,
    /// Bytes that reached the shadow.
    pub bytes_synced: u64,
    /// Writes refused because the disk is full.
    pub refused: u64,
    /// Syncs that failed because they were told to.
    pub failed_syncs: u64,
    /// Files held against their shadow after a sync.
    pub compared: u64,
    /// Those that differed: a write went past the shim.
    pub missed: u64,
}

/// Where each command stands in the control file, in numbers of 8 bytes: `struct control` of the shim.
const FULL: u64 = 8;
const FAIL_NEXT_SYNC: u64 = 9;
const SYNC_MICROS: u64 = 10;
const FAIL_NAME: u64 = 11;
const FAIL_NAME_BYTES: usize = 64;
const CONTROL_BYTES: u64 = FAIL_NAME * 8 + FAIL_NAME_BYTES as u64;

/// A data directory whose disk can fail.
pub struct Power {
    data: DataDirectory,
    /// The shim, its shadow and its control file.
    place: TempDir,
    control: File,
}

impl Power {
    /// Compiles the shim for this data directory. What is in the directory now counts as synced.
    #[track_caller]
    pub fn new(data: DataDirectory) -> Self {
        let place = TempDir::with_prefix("photinus-e2e-power-").expect("a temporary directory");
        compile(
            "power.c",
            &["-shared", "-fPIC"],
            &place.path().join("power.so"),
        );
        let path = place.path().join("control");
        let control = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|file| file.set_len(CONTROL_BYTES).map(|()| file))
            .expect("a temporary file");
        let power = Self {
            data,
            place,
            control,
        };
        power.settle();
        power
    }

    /// How a program is started on this disk.
    pub fn launch(&self) -> Launch {
        let place = self.place.path();
        Launch::default()
            .variable("LD_PRELOAD", place.join("power.so"))
            .variable("PHOTINUS_POWER_DATA", self.data.path())
            .variable("PHOTINUS_POWER_SHADOW", place.join("shadow"))
            .variable("PHOTINUS_POWER_CONTROL", place.join("control"))
    }

    /// The power fails. Every process that used the data must have been killed before. Returns how many files had
    /// something that was not synced.
    #[track_caller]
    pub fn cut(&self, cut: Cut, dice: &mut Dice) -> usize {
        let left = TempDir::with_prefix("photinus-e2e-left-").expect("a temporary directory");
        let disk = Disk::new(self.data.path(), &self.shadow(), cut);
        let unsynced = disk.unsynced();
        disk.rebuild(disk::inode(self.data.path()), left.path(), dice);
        disk::empty(self.data.path());
        disk::copy_tree(left.path(), self.data.path());
        self.settle();
        unsynced
    }

    /// Makes the disk full.
    pub fn fill(&self, full: Full) {
        self.command(FULL, full as u64);
    }

    /// Makes room again.
    pub fn free(&self) {
        self.command(FULL, 0);
    }

    /// The next sync of the file of this name fails, and what it would have written is lost.
    pub fn fail_next_sync(&self, name: &str) {
        let mut bytes = [0; FAIL_NAME_BYTES];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        self.control
            .write_all_at(&bytes, FAIL_NAME * 8)
            .expect("a temporary file takes a few bytes");
        self.command(FAIL_NEXT_SYNC, 1);
    }

    /// How long the disk takes for a sync from now on.
    pub fn slow_syncs(&self, micros: u64) {
        self.command(SYNC_MICROS, micros);
    }

    /// What was seen so far.
    #[track_caller]
    pub fn counts(&self) -> Counts {
        let mut bytes = [0; FULL as usize * 8];
        self.control
            .read_exact_at(&mut bytes, 0)
            .expect("the control file is there");
        let (words, _) = bytes.as_chunks();
        let [
            writes,
            syncs,
            directory_syncs,
            bytes_synced,
            refused,
            failed_syncs,
            compared,
            missed,
        ] = std::array::from_fn(|at| u64::from_ne_bytes(words[at]));
        assert_eq!(missed, 0, "a write went past the shim: it proves nothing");
        Counts {
            writes,
            syncs,
            directory_syncs,
            bytes_synced,
            refused,
            failed_syncs,
            compared,
            missed,
        }
    }

    fn command(&self, number: u64, value: u64) {
        self.control
            .write_all_at(&value.to_ne_bytes(), number * 8)
            .expect("a temporary file takes a few bytes");
    }

    fn shadow(&self) -> PathBuf {
        self.place.path().join("shadow")
    }

    /// All that is in the data directory counts as synced.
    pub fn settle(&self) {
        let shadow = self.shadow();
        if shadow.exists() {
            fs::remove_dir_all(&shadow).expect("a temporary directory");
        }
        for part in ["inodes", "dirs", "pins"] {
            fs::create_dir_all(shadow.join(part)).expect("a temporary directory");
        }
        disk::settle(self.data.path(), &shadow);
        fs::write(shadow.join("clean"), "").expect("a temporary directory");
    }
}

/// Runs a small program on a data directory with the shim, which writes and syncs as its arguments say; see
/// `shim/probe.c`.
#[track_caller]
pub fn probe(power: &Power, arguments: &[&str]) {
    let program = power.place.path().join("probe");
    if !program.exists() {
        compile("probe.c", &[], &program);
    }
    let mut command = Command::new(program);
    let output = power
        .launch()
        .apply(command.current_dir(power.data.path()))
        .args(arguments)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

#[track_caller]
fn compile(source: &str, options: &[&str], to: &Path) {
    let output = Command::new("cc")
        .args(["-O1", "-pthread"])
        .args(options)
        .arg("-o")
        .arg(to)
        .arg(package().join("shim").join(source))
        .arg("-ldl")
        .output()
        .expect("a C compiler is on the path (cargo xtask test installs it)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{source}: {said}");
}
