//! Does the process begin and end as it should?

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn command(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_photinus"));
    command.env_clear();
    command.arg("--data").arg(data).args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A server on free ports that has started. It is killed if a test fails before it has ended.
struct Server {
    child: Child,
    api: SocketAddr,
    monitoring: SocketAddr,
    log: BufReader<ChildStderr>,
}

impl Server {
    fn start(data: &Path) -> Self {
        let ports = ["--listen", "127.0.0.1:0", "--monitoring", "[::1]:0"];
        let mut child = command(data, &ports).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines: Vec<String> = out.lines().take(3).map(Result::unwrap).collect();
        let address = |line: &str, start: &str| line.strip_prefix(start).unwrap().parse().unwrap();
        let api = address(&lines[0], "Photinus listens on http://");
        let monitoring = address(&lines[1], "Monitoring on http://");
        assert_eq!(lines[2], format!("Data in {}", data.display()));
        Self {
            child,
            api,
            monitoring,
            log,
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn wait_for_log(&mut self, words: &str) {
        wait_for_line(&mut self.log, words);
    }

    fn status(mut self) -> Option<i32> {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for_line(log: &mut impl BufRead, words: &str) {
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        assert_ne!(
            log.read_line(&mut line).unwrap(),
            0,
            "the log ended without: {words}"
        );
    }
}

/// The status line of a GET.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// A request that has begun and waits for its body of five bytes.
fn begin(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "POST /api/v1/messages/broadcast HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/json\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut asked = [0; 12];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    stream
}

#[test]
fn it_serves_until_it_is_asked_to_stop() {
    let directory = tempfile::tempdir().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(directory.path());
        for (address, path, status) in [
            (server.monitoring, "/livez", "HTTP/1.1 200 OK"),
            (server.monitoring, "/readyz", "HTTP/1.1 200 OK"),
            (server.monitoring, "/", "HTTP/1.1 404 Not Found"),
            (server.api, "/api/v1/status", "HTTP/1.1 200 OK"),
            (server.api, "/livez", "HTTP/1.1 404 Not Found"),
        ] {
            assert_eq!(get(address, path), status, "{path}");
        }
        server.signal(signal);
        assert_eq!(server.status(), Some(0), "{signal:?}");
    }
}

#[test]
fn while_it_drains_it_is_live_and_not_ready_and_a_second_signal_ends_it() {
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::start(directory.path());
        let begun = begin(server.api);
        server.signal(Signal::TERM);
        server.wait_for_log("stopping because of SIGTERM");
        // The line comes first; the rest is a matter of moments.
        while get(server.monitoring, "/readyz") != "HTTP/1.1 503 Service Unavailable" {}
        assert_eq!(get(server.monitoring, "/livez"), "HTTP/1.1 200 OK");
        server.signal(signal);
        assert_eq!(server.status(), Some(status));
        drop(begun);
    }
}

#[test]
fn a_request_that_has_begun_is_answered_before_the_stop() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(directory.path());
    let mut begun = begin(server.api);
    server.signal(Signal::TERM);
    server.wait_for_log("stopping because of SIGTERM");
    begun.write_all(b"{}   ").unwrap();
    let mut answer = String::new();
    begun.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 202 Accepted"), "{answer}");
    assert_eq!(server.status(), Some(0));
}

#[test]
fn a_start_that_fails_says_why_in_one_line_and_leaves_the_data_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let config = directory.path().join("photinus.toml");
    let text = "[api]\nlisten = '127.0.0.1:0'\n[transports.websockets]\nfeathers = 2\n";
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let free = "127.0.0.1:0";
    for (arguments, status, words) in [
        (
            ["--listen", &taken, "--monitoring", free],
            1,
            ["[api] listen: cannot listen", "--listen"],
        ),
        (
            ["--listen", free, "--monitoring", &taken],
            1,
            ["[monitoring] listen:", "--monitoring"],
        ),
        (
            ["--config", config, "--log-level", "info"],
            2,
            ["[transports.websockets]", "feathers"],
        ),
        (
            ["--config", "/nowhere", "--log-level", "info"],
            2,
            ["/nowhere: cannot", "No such file"],
        ),
    ] {
        let output = command(&data, &arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{error}");
        assert_eq!(output.stdout, b"");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.starts_with("photinus: "), "{error}");
        for word in words {
            assert!(error.contains(word), "{error}");
        }
        assert!(!data.exists());
    }
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let first = Server::start(directory.path());
    let ports = ["--listen", "127.0.0.1:0", "--monitoring", "127.0.0.1:0"];
    let output = command(directory.path(), &ports).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("in use"), "{error}");
    first.signal(Signal::TERM);
    assert_eq!(first.status(), Some(0));
}

#[test]
fn nobody_has_to_read_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let ports = ["--listen", "127.0.0.1:0", "--monitoring", "127.0.0.1:0"];
    let mut child = command(directory.path(), &ports).spawn().unwrap();
    drop(child.stdout.take());
    let mut log = BufReader::new(child.stderr.take().unwrap());
    wait_for_line(&mut log, "started");
    drop(log);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
