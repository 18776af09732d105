//! Do the generated pages say what the binary says?

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// From the directory of this package, in which cargo runs its tests.
const DIRECTORY: &str = "../../docs/reference";
const LIST: &str = "README.md";

#[test]
fn every_generated_page_is_what_the_binary_prints() {
    let directory = Path::new(DIRECTORY);
    let list = std::fs::read_to_string(directory.join(LIST)).unwrap();
    let mut listed = BTreeSet::from([LIST.to_owned()]);
    for line in list.lines().filter(|line| line.starts_with("- [")) {
        let (file, rest) = line[3..].split_once("](").unwrap();
        let command = rest.split('`').nth(1).unwrap();
        listed.insert(file.to_owned());
        let mut words = command.split(' ');
        if words.next() == Some("cargo") {
            // That test holds its page itself.
            continue;
        }
        let printed = Command::new(env!("CARGO_BIN_EXE_photinus"))
            .env_clear()
            .args(words)
            .output()
            .unwrap();
        assert!(printed.status.success(), "`{command}` failed");
        let printed = String::from_utf8(printed.stdout).unwrap();
        let kept = std::fs::read_to_string(directory.join(file)).unwrap_or_default();
        let first = kept.lines().zip(printed.lines()).find(|(a, b)| a != b);
        assert!(
            kept == printed,
            "docs/reference/{file} is not what `{command}` prints now: run `cargo xtask docs` and commit it\n{first:?}"
        );
    }
    let there: BTreeSet<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        there, listed,
        "docs/reference/{LIST} lists what is generated, and nothing else is there"
    );
}
