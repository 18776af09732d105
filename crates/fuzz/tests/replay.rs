//! Is every input that was ever found still taken well?
//!
//! The whole corpus goes through its targets. A file that is named after a fault was once the proof of it.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use photinus_fuzz::{TARGETS, Target};

/// What the files of the corpus may have, all together, in bytes.
const CORPUS_BYTES_MAX: u64 = 1 << 20;

/// Every panic, also of threads that nobody waits for.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn the_whole_corpus_goes_through_its_targets() {
    std::panic::set_hook(Box::new(|panic| {
        PANICS.lock().unwrap().push(panic.to_string());
    }));
    let mut faults = Vec::new();
    for target in TARGETS {
        for file in files(target) {
            let input = std::fs::read(&file).unwrap();
            let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
            let panics = std::mem::take(&mut *PANICS.lock().unwrap());
            if ended.is_err() || !panics.is_empty() {
                faults.push(format!("{}:\n{}", file.display(), panics.join("\n")));
            }
        }
    }
    let _ = std::panic::take_hook();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn every_target_has_a_corpus_and_a_binary_and_every_corpus_a_target() {
    let names: BTreeSet<String> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(names.len(), TARGETS.len(), "no name is there twice");
    assert_eq!(entries("corpus"), names);
    let binaries: BTreeSet<String> = names.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(entries("libfuzzer/fuzz_targets"), binaries);
    for target in TARGETS {
        assert!(!files(target).is_empty(), "{} has no input", target.name);
    }
}

#[test]
fn the_corpus_stays_small() {
    let sizes = TARGETS.into_iter().flat_map(files);
    let bytes: u64 = sizes.map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes");
}

/// The inputs of a target, in order. Cargo runs a test in the directory of its package.
fn files(target: Target) -> Vec<PathBuf> {
    let directory = Path::new("corpus").join(target.name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn entries(directory: &str) -> BTreeSet<String> {
    std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{directory}: {error}"))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
