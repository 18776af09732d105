//! Does the transport of the guide keep the promises?
//!
//! `docs/guide/write-a-transport.md` walks through [`transport`] and this file.

#![allow(clippy::unwrap_used, reason = "a lock that is poisoned fails the test")]

mod far_end;
mod transport;

use std::sync::Arc;

use photinus_conformance::transport::Subject;

fn subject() -> Subject {
    Subject::new(
        || Arc::new(transport::Lines),
        |running| Box::pin(far_end::Clients::start(running)),
    )
}

photinus_conformance::transport_suite!(subject);

#[test]
fn only_what_lines_cannot_say_is_skipped() {
    let skipped = photinus_conformance::transport::skipped(subject);
    let names: Vec<_> = skipped.iter().map(|(name, _)| *name).collect();
    let expected = [
        "ephemeral_life",
        "ephemeral_refused",
        "changes",
        "changes_refused",
        "changes_dropped",
        "batch",
        "batch_items",
        "secrets",
    ];
    assert_eq!(names, expected, "{skipped:?}");
}

/// Lines without their indentation.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

#[test]
fn the_guide_quotes_these_files_word_for_word() {
    // Cargo runs a test in the directory of its package.
    let guide = std::fs::read_to_string("../../docs/guide/write-a-transport.md").unwrap();
    let files = ["transport.rs", "far_end.rs", "main.rs"]
        .map(|file| std::fs::read_to_string(format!("tests/lines/{file}")).unwrap());
    let blocks: Vec<&str> = guide
        .split("```rust\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() > 10, "{} blocks are left", blocks.len());
    for block in blocks {
        let quoted = lines(block.trim_end());
        let is_there = files.iter().any(|file| {
            let file = lines(file);
            file.windows(quoted.len()).any(|part| part == quoted)
        });
        assert!(is_there, "no file has this any more:\n{block}");
    }
}
