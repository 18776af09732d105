//! How does a test use the command line as a person at a shell does?

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::binary::{self, Ended};
use crate::waiting::{Deadline, PATIENCE, wait_until};

/// The commands, for one server.
#[derive(Clone, Debug)]
pub struct Shell {
    variables: Vec<(String, String)>,
}

impl Shell {
    /// For the server at this address.
    pub fn new(address: SocketAddr) -> Self {
        Self::at(&format!("http://{address}"))
    }

    /// For the server at this URL.
    pub fn at(url: &str) -> Self {
        Self::bare().variable("PHOTINUS_URL", url)
    }

    /// With nothing in its environment.
    pub fn bare() -> Self {
        Self {
            variables: Vec::new(),
        }
    }

    /// With this variable in its environment.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "")
    }

    /// Runs a command that must succeed, and returns what it printed.
    #[track_caller]
    pub fn prints(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert!(ended.status.success(), "{arguments:?}: {ended:?}");
        ended.stdout
    }

    /// Runs a command to its end, with this on its standard input.
    #[track_caller]
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut running = self.start(arguments);
        let mut stdin = running.stdin.take().expect("piped");
        let input = input.to_owned();
        let writer = std::thread::spawn(move || {
            // A command need not read all of it.
            let _ = stdin.write_all(input.as_bytes());
        });
        let ended = running.end();
        writer.join().expect("writing does not panic");
        ended
    }

    /// Starts a command.
    #[track_caller]
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = binary::command();
        command.args(arguments);
        self.started(command)
    }

    /// Starts `sh` with this script; `$PHOTINUS` is the program.
    #[track_caller]
    #[expect(
        clippy::disallowed_methods,
        reason = "a shell has to find its programs, and this is not configuration"
    )]
    pub fn script(&self, script: &str) -> Running {
        let program = binary::command().get_program().to_owned();
        let mut command = Command::new("bash");
        let path = std::env::vars_os().find(|(name, _)| name == "PATH");
        command
            .args(["-o", "pipefail", "-c", script])
            .env_clear()
            .envs(path)
            .env("PHOTINUS", program);
        self.started(command)
    }

    #[track_caller]
    fn started(&self, mut command: Command) -> Running {
        let mut child = command
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (send, lines) = channel();
        let stdout = child.stdout.take().expect("piped");
        let printed = std::thread::spawn(move || {
            let mut all = String::new();
            for line in BufReader::new(stdout).lines() {
                let line = line.expect("it prints text");
                all.push_str(&line);
                all.push('\n');
                let _ = send.send(line);
            }
            all
        });
        let said = Arc::new(Mutex::new(String::new()));
        let mut stderr = child.stderr.take().expect("piped");
        let heard = said.clone();
        let listener = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..length]).into_owned();
                heard.lock().expect("nobody panics with it").push_str(&text);
            }
        });
        Running {
            stdin: child.stdin.take(),
            child,
            lines,
            printed: Some(printed),
            said,
            listener: Some(listener),
        }
    }
}

/// A command that runs. It is killed when this goes out of scope.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    printed: Option<JoinHandle<String>>,
    said: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
}

impl Running {
    /// Writes to its standard input.
    #[track_caller]
    pub fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        let written = stdin.write_all(text.as_bytes());
        written.unwrap_or_else(|error| panic!("it does not read ({error}):\n{}", self.said()));
    }

    /// The next line that it prints.
    #[track_caller]
    pub fn line(&self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("no line: {error}\n{}", self.said()))
    }

    /// Whether it has printed no more than was taken, for that long.
    pub fn is_silent_for(&self, duration: Duration) -> bool {
        self.lines.recv_timeout(duration).is_err()
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        self.said.lock().expect("nobody panics with it").clone()
    }

    /// Returns when it has said this on standard error.
    #[track_caller]
    pub fn wait_until_said(&self, text: &str) {
        wait_until(&format!("'{text}' to be said"), || {
            self.said().contains(text)
        });
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes its standard input and waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        drop(self.stdin.take());
        let status = binary::end_within(&mut self.child, Deadline::after(PATIENCE * 2))
            .unwrap_or_else(|| panic!("it goes on and on:\n{}", self.said()));
        let printed = self.printed.take().map(JoinHandle::join);
        if let Some(listener) = self.listener.take() {
            listener.join().expect("reading does not panic");
        }
        Ended {
            status,
            stdout: printed.expect("once").expect("it prints text"),
            stderr: self.said(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
