//! Does the server answer everything that its own description allows, and forbids, as that says?
//!
//! schemathesis makes the requests: it reads the description of the API from the server, and knows nothing else.

use std::process::Command;

use photinus_e2e::{Server, python};

/// What every answer is held against. What the server refuses, and what it lets pass, is its own affair: names that are
/// too long for it, and keys that it does not know.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method";
/// Requests for each operation and phase.
const EXAMPLES: &str = "25";

#[test]
fn every_request_is_answered_as_the_description_says() {
    let server = Server::start();
    let url = format!("http://{}/api/openapi.json", server.address());
    let python = python();
    let mut run = Command::new(python.join(".venv/bin/schemathesis"));
    run.current_dir(&python).env("SCHEMATHESIS_HOOKS", "hooks");
    run.env("PYTHONPATH", &python);
    run.args(["run", &url, "--checks", CHECKS, "--max-examples", EXAMPLES]);
    run.args(["--seed", "1", "--no-shrink", "--continue-on-failure"]);
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    // A run that tries nothing fails nothing.
    let tried = said
        .split_whitespace()
        .zip(said.split_whitespace().skip(1))
        .find(|(_, word)| *word == "generated,")
        .and_then(|(number, _)| number.parse::<u32>().ok());
    assert!(tried.is_some_and(|tried| tried > 1_000), "{said}");
}
