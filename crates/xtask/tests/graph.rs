//! Is the graph of crates the one that ARCHITECTURE.md draws?
//!
//! The drawing is a fenced block that opens with `text graph`; a line `a <- b c` in it means that b and c
//! depend on a. A second one, `text graph tests`, has what only tests depend on.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// (what is depended on, who depends on it)
type Edges = BTreeSet<(String, String)>;

#[test]
fn crates_depend_on_each_other_exactly_as_drawn() {
    // Cargo runs a test in the directory of its package.
    let package = std::env::current_dir().unwrap();
    let root = package.ancestors().nth(2).unwrap();
    let path = root.join("ARCHITECTURE.md");
    let document = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("the drawing is in {}: {error}", path.display()));
    let (normal, tests) = edges_built(root);

    let mut differences = compare("text graph", &edges_drawn(&document, "text graph"), &normal);
    differences.extend(compare(
        "text graph tests",
        &edges_drawn(&document, "text graph tests"),
        &tests,
    ));
    assert!(
        differences.is_empty(),
        "ARCHITECTURE.md and `cargo metadata` differ:\n{}",
        differences.join("\n")
    );
}

#[test]
fn a_drawing_is_read_edge_by_edge() {
    let document = "words\n```text graph\ncontract <- engine api\nengine <- api\n```\n\
                    ```text graph tests\nconformance <- store-memory\n```\n";
    let edge = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let normal = edges_drawn(document, "text graph");
    assert_eq!(
        normal,
        Edges::from([
            edge("contract", "engine"),
            edge("contract", "api"),
            edge("engine", "api"),
        ])
    );
    assert_eq!(
        edges_drawn(document, "text graph tests"),
        Edges::from([edge("conformance", "store-memory")])
    );

    let built = Edges::from([edge("contract", "engine"), edge("dispatch", "engine")]);
    assert_eq!(
        compare("text graph", &normal, &built),
        [
            "text graph: `contract <- api` is drawn, and the manifests do not have it",
            "text graph: `engine <- api` is drawn, and the manifests do not have it",
            "text graph: `dispatch <- engine` is in the manifests, and not drawn",
        ]
    );
}

fn compare(block: &str, drawn: &Edges, built: &Edges) -> Vec<String> {
    let too_many = drawn
        .difference(built)
        .map(|(a, b)| format!("{block}: `{a} <- {b}` is drawn, and the manifests do not have it"));
    let missing = built
        .difference(drawn)
        .map(|(a, b)| format!("{block}: `{a} <- {b}` is in the manifests, and not drawn"));
    too_many.chain(missing).collect()
}

fn edges_drawn(document: &str, block: &str) -> Edges {
    let opening = format!("```{block}");
    let mut lines = document.lines().skip_while(|line| line.trim() != opening);
    assert!(
        lines.next().is_some(),
        "ARCHITECTURE.md has no block that opens with {opening}"
    );
    let mut edges = Edges::new();
    for line in lines.take_while(|line| line.trim() != "```") {
        if line.trim().is_empty() {
            continue;
        }
        let (to, from) = line
            .split_once("<-")
            .unwrap_or_else(|| panic!("not of the form `a <- b c`: {line}"));
        for from in from.split_whitespace() {
            let is_new = edges.insert((to.trim().to_owned(), from.to_owned()));
            assert!(is_new, "drawn twice: {} <- {from}", to.trim());
        }
    }
    edges
}

/// The edges between crates of the workspace: those that every build has, and those of tests alone.
fn edges_built(root: &Path) -> (Edges, Edges) {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let members: BTreeSet<&str> = packages
        .iter()
        .map(|package| text(&package["name"]))
        .collect();

    let (mut normal, mut tests) = (Edges::new(), Edges::new());
    for package in packages {
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = text(&dependency["name"]);
            if !members.contains(name) {
                continue;
            }
            let edge = (short(name), short(text(&package["name"])));
            // A build script's dependency is there in every build, so it is drawn with the normal ones.
            match dependency["kind"].as_str() {
                Some("dev") => tests.insert(edge),
                _ => normal.insert(edge),
            };
        }
    }
    let tests = tests.difference(&normal).cloned().collect();
    (normal, tests)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn short(name: &str) -> String {
    name.strip_prefix("photinus-").unwrap_or(name).to_owned()
}
