//! How is the real server started, killed and started again?

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::binary;
use crate::launch::Launch;
use crate::rest::Rest;
use crate::socket::Socket;
use crate::waiting::{Deadline, PATIENCE, wait_for, wait_until};

/// A directory for a server's data; removed with its last owner.
#[derive(Clone)]
pub struct DataDirectory(Arc<TempDir>);

impl DataDirectory {
    /// A new, empty one.
    pub fn new() -> Self {
        Self(Arc::new(
            TempDir::with_prefix("photinus-e2e-").expect("a temporary directory"),
        ))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Default for DataDirectory {
    fn default() -> Self {
        Self::new()
    }
}

/// How a server is asked to stop.
#[derive(Clone, Copy, Debug)]
pub enum StopSignal {
    /// SIGTERM, as a service manager does.
    Term,
    /// SIGINT, as Ctrl-C does.
    Int,
}

/// Where a server is reached now, for threads that outlive its restarts.
#[derive(Clone, Default)]
pub struct Whereabouts(Arc<Mutex<(Option<SocketAddr>, usize)>>);

impl Whereabouts {
    /// The address and the number of this life of the server, 0 for the first; nothing while it is down.
    pub fn get(&self) -> Option<(SocketAddr, usize)> {
        let (address, lives) = *self.0.lock().expect(NOT_POISONED);
        Some((address?, lives - 1))
    }

    fn up(&self, address: SocketAddr) {
        let mut place = self.0.lock().expect(NOT_POISONED);
        *place = (Some(address), place.1 + 1);
    }

    fn down(&self) {
        self.0.lock().expect(NOT_POISONED).0 = None;
    }
}

/// What a server writes to standard error, in all its lives.
#[derive(Clone, Default)]
struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// One for each pipe that is still read. A process ends before its last words are read.
    readers: Arc<()>,
}

impl Log {
    fn read(&self, mut pipe: impl Read + Send + 'static) {
        let (bytes, reader) = (self.bytes.clone(), self.readers.clone());
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                let mut bytes = bytes.lock().expect(NOT_POISONED);
                bytes.extend_from_slice(&chunk[..length]);
            }
            drop(reader);
        });
    }

    #[track_caller]
    fn wait_for_the_end(&self) {
        wait_until("the log to be read to its end", || {
            Arc::strong_count(&self.readers) == 1
        });
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect(NOT_POISONED)).into_owned()
    }
}

const NOT_POISONED: &str = "no thread panics while it holds this";

/// The real server on a data directory, running or not. It is killed when this goes out of scope, and what
/// it logged is shown if the test failed.
pub struct Server {
    data: DataDirectory,
    listen: String,
    launch: Launch,
    running: Option<Running>,
    whereabouts: Whereabouts,
    log: Log,
}

struct Running {
    child: Child,
    address: SocketAddr,
    monitoring: SocketAddr,
    spi: Option<SocketAddr>,
}

impl Server {
    /// A server with new data, on any free port.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(DataDirectory::new(), "127.0.0.1:0")
    }

    /// A server on this data, listening here.
    #[track_caller]
    pub fn start_with(data: DataDirectory, listen: &str) -> Self {
        Self::start_as(data, listen, Launch::default())
    }

    /// As [`Server::start_with`], with an environment and a configuration of its own.
    #[track_caller]
    pub fn start_as(data: DataDirectory, listen: &str, launch: Launch) -> Self {
        let mut server = Self::prepared(data, listen, launch);
        server.start_again();
        server
    }

    /// As [`Server::start_as`], and not started yet.
    pub fn prepared(data: DataDirectory, listen: &str, launch: Launch) -> Self {
        Self {
            data,
            listen: listen.to_owned(),
            launch,
            running: None,
            whereabouts: Whereabouts::default(),
            log: Log::default(),
        }
    }

    /// Starts it on the same data and the same `--listen`, and returns when it is ready.
    #[track_caller]
    pub fn start_again(&mut self) {
        if let Err(status) = self.try_start() {
            let log = self.log();
            panic!("the server did not say where it listens ({status}):\n{log}");
        }
    }

    /// As [`Server::start_again`], where it may end instead, with that status.
    #[track_caller]
    pub fn try_start(&mut self) -> Result<(), ExitStatus> {
        let mut child = self.spawn();
        let lines = lines_of(child.stdout.take().expect("piped"));

        let mut printed = Vec::new();
        let deadline = Deadline::after(PATIENCE);
        let addresses = loop {
            let found = (
                address_in(&printed, "Photinus listens on http://"),
                address_in(&printed, "Monitoring on http://"),
            );
            if let (Some(address), Some(monitoring)) = found {
                break Some((address, monitoring));
            }
            match lines.recv_timeout(deadline.remaining().unwrap_or_default()) {
                Ok(line) => printed.push(line),
                Err(_) => break None,
            }
        };
        let Some((address, monitoring)) = addresses else {
            let ended = binary::end_within(&mut child, deadline);
            let _ = child.kill();
            let _ = child.wait();
            return Err(
                ended.unwrap_or_else(|| panic!("it is silent: {printed:?}\n{}", self.log()))
            );
        };
        self.running = Some(Running {
            child,
            address,
            monitoring,
            spi: address_in(&printed, "Photinus's SPI listens on http://"),
        });
        let monitoring = self.monitoring();
        wait_until("the server to be ready", || {
            monitoring
                .try_get("/readyz")
                .is_ok_and(|reply| reply.status == 200)
        });
        self.whereabouts.up(address);
        Ok(())
    }

    fn spawn(&self) -> Child {
        assert!(self.running.is_none(), "it runs already");
        let mut child = self
            .launch
            .apply(&mut binary::command())
            .args(["--listen", &self.listen])
            .args(["--monitoring", "127.0.0.1:0"])
            .arg("--data")
            .arg(self.data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        self.log.read(child.stderr.take().expect("piped"));
        child
    }

    /// Starts it and kills it after that time, ready or not.
    pub fn start_and_kill_after(&self, time: Duration) {
        let mut child = self.spawn();
        std::thread::sleep(time);
        child.kill().expect("it is a child of this process");
        child.wait().expect("it is a child of this process");
    }

    /// How it ended, if it ended by itself. It can then be started again.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let running = self.running.as_mut()?;
        let ended = running.child.try_wait();
        let ended = ended.expect("it is a child of this process")?;
        self.whereabouts.down();
        self.running = None;
        Some(ended)
    }

    /// Asks it to stop, and kills it that much later, stopped or not.
    #[track_caller]
    pub fn stop_and_kill_after(&mut self, time: Duration) {
        self.whereabouts.down();
        self.signal(Signal::TERM);
        std::thread::sleep(time);
        self.kill();
    }

    /// Asks it to stop, lets it stand still for a while in the middle of that, and demands status 0.
    #[track_caller]
    pub fn stop_with_standstill(&mut self, after: Duration, standstill: Duration) {
        self.whereabouts.down();
        self.signal(Signal::TERM);
        std::thread::sleep(after);
        self.suspend();
        std::thread::sleep(standstill);
        self.resume();
        let running = self.running.as_mut().expect("it runs");
        let status = binary::end_within(&mut running.child, Deadline::after(PATIENCE / 2))
            .unwrap_or_else(|| panic!("still running long after it went on"));
        self.running = None;
        assert_eq!(status.code(), Some(0), "{status}");
    }

    /// The id of its process.
    #[track_caller]
    pub fn id(&self) -> u32 {
        self.running.as_ref().expect("it runs").child.id()
    }

    /// SIGSTOP: it stands still in the middle of whatever it does.
    #[track_caller]
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
        let running = self.running.as_ref().expect("it runs");
        let tasks = format!("/proc/{}/task", running.child.id());
        wait_until("all threads to stand still", || {
            let tasks = std::fs::read_dir(&tasks).expect("it is there");
            let mut states = tasks.flatten().map(|task| {
                let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                // The name before the state is in parentheses, and can hold anything.
                stat.rsplit(") ")
                    .next()
                    .is_none_or(|rest| rest.starts_with('T'))
            });
            states.all(|stands_still| stands_still)
        });
    }

    /// SIGCONT.
    #[track_caller]
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        let running = self.running.as_ref().expect("it runs");
        kill_process(Pid::from_child(&running.child), signal).expect("it runs");
    }

    /// SIGKILL: the server learns nothing of it.
    #[track_caller]
    pub fn kill(&mut self) {
        self.whereabouts.down();
        let mut running = self.running.take().expect("it runs");
        running.child.kill().expect("it is a child of this process");
        running.child.wait().expect("it is a child of this process");
    }

    /// Asks it to stop, waits until it has, and demands status 0.
    #[track_caller]
    pub fn stop(&mut self, signal: StopSignal) {
        let status = self.stop_status(signal);
        assert_eq!(status.code(), Some(0), "after {signal:?}: {status}");
    }

    fn stop_status(&mut self, signal: StopSignal) -> ExitStatus {
        self.whereabouts.down();
        let running = self.running.as_mut().expect("it runs");
        let number = match signal {
            StopSignal::Term => Signal::TERM,
            StopSignal::Int => Signal::INT,
        };
        kill_process(Pid::from_child(&running.child), number).expect("it runs");
        let status = binary::end_within(&mut running.child, Deadline::after(PATIENCE / 2))
            .unwrap_or_else(|| panic!("still running long after {signal:?}"));
        self.running = None;
        status
    }

    /// Panics if the process has ended.
    #[track_caller]
    pub fn assert_running(&mut self) {
        let running = self.running.as_mut().expect("it was not stopped");
        let ended = running
            .child
            .try_wait()
            .expect("it is a child of this process");
        assert!(ended.is_none(), "the server ended: {ended:?}");
    }

    /// Where its API is.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.running.as_ref().expect("it runs").address
    }

    /// Where it is, and where it will be after each restart.
    pub fn whereabouts(&self) -> Whereabouts {
        self.whereabouts.clone()
    }

    /// A client of its API.
    #[track_caller]
    pub fn rest(&self) -> Rest {
        Rest::new(self.address())
    }

    /// A client of its monitoring port.
    #[track_caller]
    pub fn monitoring(&self) -> Rest {
        Rest::new(self.running.as_ref().expect("it runs").monitoring)
    }

    /// Where its SPI is, if it has one.
    #[track_caller]
    pub fn spi(&self) -> Option<SocketAddr> {
        self.running.as_ref().expect("it runs").spi
    }

    /// A new WebSocket at this path and query.
    #[track_caller]
    pub fn socket(&self, path: &str) -> Socket {
        Socket::open(self.address(), path).expect("the upgrade is accepted")
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.data.path().to_owned()
    }

    /// What it logged so far, over all its lives; to its last word, if it has ended.
    #[track_caller]
    pub fn log(&self) -> String {
        if self.running.is_none() {
            self.log.wait_for_the_end();
        }
        self.log.text()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("── what the server logged\n{}──", self.log.text());
        }
    }
}

/// A port that is free now, and below those that the kernel gives to outgoing connections: nobody takes it
/// while a server that will come back to it is down.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 8_000).unwrap_or(0);
    wait_for("a free port", || {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}

fn address_in(lines: &[String], prefix: &str) -> Option<SocketAddr> {
    lines
        .iter()
        .find_map(|line| line.trim().strip_prefix(prefix)?.parse().ok())
}

/// Reads to the end whatever happens, so that the server never blocks on a full pipe.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}
