//! Is what README shows true?

use photinus_e2e::{NodeApp, Server};
use serde_json::Value;

const README: &str = include_str!("../../../../README.md");

/// The first fenced block of a language.
fn block(language: &str) -> &'static str {
    let begin = format!("```{language}\n");
    let (_, rest) = README.split_once(&begin).unwrap();
    rest.split_once("\n```").unwrap().0
}

#[test]
fn the_program_of_the_readme_prints_what_it_says() {
    let server = Server::start();
    let shown = block("js");
    assert!(shown.contains("http://127.0.0.1:5000"), "{shown}");
    let source = shown.replace("127.0.0.1:5000", &server.address().to_string());
    let mut app = NodeApp::start_module(&source);
    // What the program prints stands in the block just after it.
    let (_, after) = README.split_once(shown).unwrap();
    let printed = after.split("```").nth(2).unwrap().trim();
    assert_eq!(printed.lines().count(), 3);
    for expected in printed.lines() {
        let line = std::iter::repeat_with(|| app.line()).find(|line| {
            // The client says on standard output that it is connected.
            !line
                .as_str()
                .is_some_and(|line| line.contains("[FireFlyWebSocket]"))
        });
        assert_eq!(line, Some(Value::from(expected)));
    }
}
