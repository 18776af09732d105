//! Do the official libraries of Standard Webhooks take a request for genuine?

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::node_app::node;
use crate::python::python;
use crate::receiver::Request;

/// Requests, each with the secret that it is verified with.
#[derive(Default)]
pub struct Verifiers {
    cases: Vec<Value>,
}

impl Verifiers {
    /// With this request, verified with this secret.
    #[must_use]
    pub fn and(mut self, secret: &str, request: &Request) -> Self {
        let headers = request.headers.iter();
        let headers: Map<String, Value> = headers
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        let body = String::from_utf8_lossy(&request.body);
        self.cases
            .push(json!({"secret": secret, "headers": headers, "body": body}));
        self
    }

    /// By each library, by its registry: why it refuses a request, or nothing where it is content.
    #[track_caller]
    pub fn verdicts(&self) -> [(&'static str, Vec<Option<String>>); 2] {
        let mut npm = Command::new("node");
        npm.arg("verify.mjs").current_dir(node());
        let mut pypi = Command::new(python().join(".venv/bin/python"));
        pypi.arg("verify.py").current_dir(python());
        [("npm", self.run(npm)), ("PyPI", self.run(pypi))]
    }

    #[track_caller]
    fn run(&self, mut command: Command) -> Vec<Option<String>> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it is there (cargo xtask test installs it)");
        let mut input = child.stdin.take().expect("piped");
        let cases = Value::from(self.cases.clone()).to_string();
        input
            .write_all(cases.as_bytes())
            .expect("it reads its input");
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{command:?}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("it prints a list")
    }
}
