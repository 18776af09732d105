//! How does a test drive a Node.js application that uses FireFly's own client?
//!
//! `node/app.mjs` takes one command a line, answers each with one line, and prints a line for each event.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::binary::package;
use crate::waiting::PATIENCE;

/// A running application.
pub struct NodeApp {
    child: Child,
    commands: ChildStdin,
    lines: Receiver<Value>,
    /// Events that came while an answer was awaited.
    events: VecDeque<Value>,
    next: u64,
}

/// What the client threw.
#[derive(Debug, PartialEq)]
pub struct SdkError {
    /// The name of its class in the client.
    pub class: String,
    /// Its text.
    pub message: String,
}

impl NodeApp {
    /// Starts an application for the default namespace of the server at this address.
    #[track_caller]
    pub fn start(address: SocketAddr) -> Self {
        Self::run(&["app.mjs", &format!("http://{address}")])
    }

    /// Starts a program of somebody else's, a module that uses the client. Only its lines are of interest.
    #[track_caller]
    pub fn start_module(source: &str) -> Self {
        Self::run(&["--input-type=module", "--eval", source])
    }

    #[track_caller]
    fn run(arguments: &[&str]) -> Self {
        let mut child = Command::new("node")
            .args(arguments)
            .current_dir(node())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node.js 18 or newer is on the path (cargo xtask test installs it)");
        let commands = child.stdin.take().expect("piped");
        let output = child.stdout.take().expect("piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            commands,
            lines,
            events: VecDeque::new(),
            next: 0,
        }
    }

    /// Runs one command of `app.mjs` and returns what the client gave or threw.
    #[track_caller]
    pub fn try_call(&mut self, command: &str, arguments: Value) -> Result<Value, SdkError> {
        self.next += 1;
        let line = json!({"number": self.next, "command": command, "arguments": arguments});
        writeln!(self.commands, "{line}").expect("the application reads its commands");
        loop {
            let line = self.line();
            if line.get("event").is_some() {
                self.events.push_back(line);
                continue;
            }
            assert_eq!(line["number"], self.next, "{line}");
            return match line.get("error") {
                None => Ok(line["result"].clone()),
                Some(error) => Err(SdkError {
                    class: error["class"].as_str().unwrap_or_default().to_owned(),
                    message: error["message"].as_str().unwrap_or_default().to_owned(),
                }),
            };
        }
    }

    /// Runs one command of `app.mjs`, which must succeed.
    #[track_caller]
    pub fn call(&mut self, command: &str, arguments: Value) -> Value {
        self.try_call(command, arguments)
            .unwrap_or_else(|error| panic!("{command}: {error:?}"))
    }

    /// The next event of any listener, as `{"listener": …, "event": …}`.
    #[track_caller]
    pub fn event(&mut self) -> Value {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        let line = self.line();
        assert!(line.get("event").is_some(), "expected an event: {line}");
        line
    }

    /// The next event, or nothing within that time.
    pub fn event_within(&mut self, duration: Duration) -> Option<Value> {
        let event = self.events.pop_front();
        event.or_else(|| self.lines.recv_timeout(duration).ok())
    }

    /// The next line that a module prints.
    #[track_caller]
    pub fn line(&mut self) -> Value {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("the application says nothing more: {error}"),
        }
    }
}

impl Drop for NodeApp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The directory of the application, with the client installed as its lock file says.
pub(crate) fn node() -> PathBuf {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(install).clone()
}

fn install() -> PathBuf {
    let directory = package().join("node");
    let modified = |name: &str| {
        directory
            .join(name)
            .metadata()
            .and_then(|file| file.modified())
    };
    let wanted = modified("package-lock.json").expect("the lock file is committed");
    if !modified("node_modules/.package-lock.json").is_ok_and(|installed| installed >= wanted) {
        let status = Command::new("npm")
            .arg("ci")
            .current_dir(&directory)
            .stdout(Stdio::null())
            .status()
            .expect("npm is on the path (cargo xtask test installs it)");
        assert!(
            status.success(),
            "npm ci in {}: {status}",
            directory.display()
        );
    }
    directory
}
