//! How does a test use the clients that people use with brokers?
//!
//! pika and paho, unmodified, in programs of `python/`: each is told what to do on standard input, and prints lines.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::python::python;
use crate::waiting::PATIENCE;

/// A program in Python, ended with this.
pub struct Program {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        Self::start_in(&python(), arguments, &[])
    }

    /// One of this directory, with these variables in its environment besides.
    pub fn start_in(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(python().join(".venv/bin/python"))
            .args(arguments)
            .envs(variables.iter().copied())
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it is there (cargo xtask test installs it)");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (line, lines) = channel();
        std::thread::spawn(move || {
            for text in output.lines().map_while(Result::ok) {
                if line.send(text).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take().expect("piped");
        Self {
            child,
            input,
            lines,
        }
    }

    fn tell(&mut self, what: &Value) {
        writeln!(self.input, "{what}").expect("it reads its input");
    }

    /// The next line, if it comes in time.
    pub fn line(&self, within: Duration) -> Option<String> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the program has ended"),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An application with pika that does what it is told.
pub struct Rabbit(Program);

impl Rabbit {
    /// Connected to this address.
    pub fn at(url: &str) -> Self {
        Self(Program::start(&["rabbit.py", url]))
    }

    /// What it says to `do`, or its error.
    #[track_caller]
    pub fn try_to(&mut self, what: &str, mut with: Value) -> Result<Value, String> {
        with["do"] = what.into();
        self.0.tell(&with);
        let line = self.0.line(PATIENCE).expect("an answer");
        let answer: Value = serde_json::from_str(&line).expect("JSON");
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["ok"].clone()),
        }
    }

    /// What it says to `do`.
    #[track_caller]
    pub fn does(&mut self, what: &str, with: Value) -> Value {
        let done = self.try_to(what, with.clone());
        done.unwrap_or_else(|error| panic!("{what} {with}: {error}"))
    }

    /// A durable queue that gets what is published to a durable topic exchange.
    #[track_caller]
    pub fn bound(&mut self, exchange: &str, queue: &str) {
        self.does("exchange", json!({"name": exchange}));
        self.does("queue", json!({"name": queue}));
        self.does("bind", json!({"queue": queue, "exchange": exchange}));
    }

    /// The next message of a queue.
    #[track_caller]
    pub fn next(&mut self, queue: &str) -> Value {
        crate::wait_for(&format!("a message in '{queue}'"), || {
            let message = self.does("get", json!({"queue": queue}));
            (!message.is_null()).then_some(message)
        })
    }
}

/// A worker of a queue that connects again when it has to. It says which events it got.
pub struct Worker(Program);

impl Worker {
    /// One with pika.
    pub fn of_rabbit(url: &str, queue: &str) -> Self {
        Self(Program::start(&["rabbit_worker.py", url, queue]))
    }

    /// One with paho, which subscribes to a filter; `more` says what else it is.
    pub fn of_mqtt(port: u16, filter: &str, more: Value) -> Self {
        let mut told = more;
        told["brief"] = true.into();
        Self(MqttApp::program(port, filter, told))
    }

    /// The sequence and the id of the next event, if one comes in time.
    pub fn next(&self, within: Duration) -> Option<(i64, String)> {
        loop {
            let line = self.0.line(within)?;
            // It says so when it has subscribed again.
            let Some((sequence, id)) = line.split_once(' ') else {
                continue;
            };
            return Some((sequence.parse().expect("a sequence"), id.to_owned()));
        }
    }
}

/// An application with paho.
pub struct MqttApp(Program);

impl MqttApp {
    /// One that has subscribed to a filter; `more` says what else it is.
    pub fn subscribed(port: u16, filter: &str, more: Value) -> Self {
        Self(Self::program(port, filter, more))
    }

    /// One that publishes only.
    pub fn at(port: u16) -> Self {
        Self(Self::program(port, "", json!({})))
    }

    fn program(port: u16, filter: &str, mut told: Value) -> Program {
        if told.get("id").is_none() {
            told["id"] = format!("app-{}", crate::free_port()).into();
        }
        told["port"] = port.into();
        told["filter"] = filter.into();
        let program = Program::start(&["mqtt_app.py", &told.to_string()]);
        let ready = program.line(PATIENCE);
        assert_eq!(ready.as_deref(), Some("ready"));
        program
    }

    /// The next message, if one comes in time.
    pub fn next_within(&self, within: Duration) -> Option<Value> {
        let line = self.0.line(within)?;
        Some(serde_json::from_str(&line).expect("JSON"))
    }

    /// The next message.
    #[track_caller]
    pub fn next(&self) -> Value {
        self.next_within(PATIENCE).expect("a message")
    }

    /// Publishes, and waits until the broker has it.
    #[track_caller]
    pub fn publish(&mut self, message: Value) {
        self.0.tell(&message);
        let said = self.0.line(PATIENCE);
        assert_eq!(said.as_deref(), Some("published"));
    }
}
