//! Does the shim keep what is synced, and lose what is not? Tried with a small program.

use std::collections::BTreeMap;

use photinus_e2e::{Cut, DataDirectory, Dice, Full, Power, probe};

/// What is in the files after some actions, a power cut, more actions, and another cut.
fn left(data: &DataDirectory, power: &Power, actions: [&[&str]; 2]) -> BTreeMap<String, String> {
    let mut dice = Dice::new();
    for actions in actions {
        probe(power, actions);
        power.cut(Cut::Nothing, &mut dice);
    }
    contents(data)
}

fn contents(data: &DataDirectory) -> BTreeMap<String, String> {
    let mut contents = BTreeMap::new();
    for entry in std::fs::read_dir(data.path()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let text = match entry.path().is_dir() {
            true => "a directory".to_owned(),
            false => std::fs::read_to_string(entry.path()).unwrap(),
        };
        contents.insert(name, text);
    }
    contents
}

const KEPT: &[&str] = &["write", "a", "old", "sync", "a", "syncdir", "."];

#[test]
fn what_is_synced_with_its_name_is_kept_and_nothing_else() {
    let data = DataDirectory::new();
    let power = Power::new(data.clone());
    for (after, expected) in [
        (&["write", "a", "new"][..], &[("a", "old")][..]),
        (&["write", "a", "new", "sync", "a"], &[("a", "new")]),
        (
            &["append", "a", "+1", "sync", "a", "append", "a", "+2"],
            &[("a", "old+1")],
        ),
        (&["cut", "a", "1"], &[("a", "old")]),
        (&["cut", "a", "1", "sync", "a"], &[("a", "o")]),
        (
            &["cut", "a", "1", "append", "a", "x", "sync", "a"],
            &[("a", "ox")],
        ),
        (
            &["cut", "a", "1", "cut", "a", "2", "sync", "a"],
            &[("a", "o\0")],
        ),
        (&["mapped", "a", "new"], &[("a", "old")]),
        (&["mapped", "a", "new", "sync", "a"], &[("a", "new")]),
        (&["write", "b", "x", "sync", "b"], &[("a", "old")]),
        (
            &["write", "b", "x", "syncdir", "."],
            &[("a", "old"), ("b", "")],
        ),
        (
            &["write", "b", "x", "sync", "b", "syncdir", "."],
            &[("a", "old"), ("b", "x")],
        ),
        (&["rename", "a", "b"], &[("a", "old")]),
        (&["rename", "a", "b", "syncdir", "."], &[("b", "old")]),
        (&["unlink", "a"], &[("a", "old")]),
        (&["unlink", "a", "syncdir", "."], &[]),
        (
            &["unlink", "a", "write", "a", "new", "sync", "a"],
            &[("a", "old")],
        ),
        (
            &[
                "unlink", "a", "write", "a", "new", "sync", "a", "syncdir", ".",
            ],
            &[("a", "new")],
        ),
        (
            &[
                "mkdir", "d", "write", "d/e", "x", "sync", "d/e", "syncdir", "d",
            ],
            &[("a", "old")],
        ),
        (
            &["mkdir", "d", "syncdir", "."],
            &[("a", "old"), ("d", "a directory")],
        ),
    ] {
        let expected = expected.iter();
        let expected: BTreeMap<_, _> = expected
            .map(|(name, text)| (name.to_string(), text.to_string()))
            .collect();
        let left = left(&data, &power, [KEPT, after]);
        assert_eq!(left, expected, "{after:?}");
        for name in left.keys() {
            let path = data.path().join(name);
            std::fs::remove_file(&path)
                .or_else(|_| std::fs::remove_dir(&path))
                .unwrap();
        }
        power.settle();
    }
}

#[test]
fn a_failed_sync_loses_what_it_would_have_written_whatever_comes_after() {
    let data = DataDirectory::new();
    let power = Power::new(data.clone());
    probe(&power, KEPT);
    power.cut(Cut::Nothing, &mut Dice::new());
    power.fail_next_sync("a");
    probe(
        &power,
        &[
            "write", "a", "new", "fails", "5", "sync", "a", "append", "a", "+", "sync", "a",
        ],
    );
    power.cut(Cut::Nothing, &mut Dice::new());
    assert_eq!(contents(&data)["a"], "old+");
    assert_eq!(power.counts().failed_syncs, 1);
}

#[test]
fn a_full_disk_refuses_growth_or_everything() {
    let data = DataDirectory::new();
    let power = Power::new(data.clone());
    probe(&power, KEPT);
    power.fill(Full::Growth);
    probe(
        &power,
        &["write", "a", "new", "fails", "28", "append", "a", "x"],
    );
    power.fill(Full::AllWrites);
    probe(
        &power,
        &[
            "fails", "28", "write", "a", "xxx", "fails", "28", "mkdir", "d",
        ],
    );
    power.free();
    probe(&power, &["append", "a", "+", "sync", "a"]);
    power.cut(Cut::Nothing, &mut Dice::new());
    assert_eq!(
        contents(&data),
        BTreeMap::from([("a".to_owned(), "new+".to_owned())])
    );
    assert_eq!(power.counts().refused, 3);
}

#[test]
fn threads_that_write_and_sync_one_file_leave_it_whole() {
    let data = DataDirectory::new();
    let power = Power::new(data.clone());
    probe(&power, &["threads", "a", "sync", "a", "syncdir", "."]);
    power.cut(Cut::Nothing, &mut Dice::new());
    let content = std::fs::read(data.path().join("a")).unwrap();
    assert_eq!(content.len(), 8 * 64 * 512);
    for (number, block) in content.chunks(512).enumerate() {
        let letter = b'a' + u8::try_from(number % 8).unwrap();
        assert!(block.iter().all(|byte| *byte == letter), "block {number}");
    }
    assert!(power.counts().compared > 0);
}

#[test]
fn a_torn_write_leaves_some_blocks_of_the_old_and_some_of_the_new() {
    let mut dice = Dice::new();
    let (mut old, mut new, mut both) = (0, 0, 0);
    let data = DataDirectory::new();
    let power = Power::new(data.clone());
    for _ in 0..60 {
        std::fs::write(data.path().join("a"), "0".repeat(16_384)).unwrap();
        power.settle();
        probe(&power, &["write", "a", &"1".repeat(16_384)]);
        power.cut(Cut::SomeBlocks, &mut dice);
        let text = contents(&data).remove("a").unwrap();
        assert_eq!(text.len(), 16_384);
        for block in text.as_bytes().chunks(512) {
            assert!(block.iter().all(|byte| *byte == block[0]), "{text}");
        }
        match (text.contains('0'), text.contains('1')) {
            (true, true) => both += 1,
            (true, false) => old += 1,
            _ => new += 1,
        }
    }
    assert!(old > 0 && new > 0 && both > 0, "{old} {new} {both}");
}
