//! Which binary is tested, and what does one run of it say?

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;

use crate::launch::Launch;
use crate::waiting::{Deadline, PATIENCE, wait_for};

/// What a run of the binary to its end left behind.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote to standard output.
    pub stdout: String,
    /// All that it wrote to standard error.
    pub stderr: String,
}

/// Runs the binary with these arguments until it ends; panics, and kills it, if it does not.
#[track_caller]
pub fn run_to_end(arguments: &[&str]) -> Ended {
    run_to_end_as(&Launch::default(), arguments)
}

/// The same, in another way than the usual. The arguments stand before the `--config` of the launch.
#[track_caller]
pub fn run_to_end_as(launch: &Launch, arguments: &[&str]) -> Ended {
    let mut child = launch
        .apply(command().args(arguments))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let stdout = collect(child.stdout.take().expect("piped"));
    let stderr = collect(child.stderr.take().expect("piped"));
    let status = end_within(&mut child, Deadline::after(PATIENCE));
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = |reader: JoinHandle<String>| reader.join().expect("a pipe is read to its end");
    let (stdout, stderr) = (text(stdout), text(stderr));
    let status = status.unwrap_or_else(|| {
        panic!(
            "`photinus {}` went on and on\n{stdout}\n{stderr}",
            arguments.join(" ")
        )
    });
    Ended {
        status,
        stdout,
        stderr,
    }
}

/// The binary, built from the sources as they are now.
pub(crate) fn command() -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(BUILT.get_or_init(build));
    // What this machine's user has set for a server of his own must not reach the tests.
    command.env_clear();
    command
}

/// The status of a child that ends before the deadline.
pub(crate) fn end_within(child: &mut Child, deadline: Deadline) -> Option<ExitStatus> {
    wait_for("a process to end", || {
        match child.try_wait().expect("it is a child of this process") {
            Some(status) => Some(Some(status)),
            None if deadline.remaining().is_none() => Some(None),
            None => None,
        }
    })
}

/// The directory of this package: cargo runs its tests there. (Where it was compiled can be another checkout that
/// shares the target directory.)
pub(crate) fn package() -> PathBuf {
    std::env::current_dir().expect("a test runs somewhere")
}

/// Builds what `cargo build --workspace --bins` builds, in the profile and the directory of this test, so
/// that `cargo test` alone cannot meet a stale binary. Takes no time where nothing changed.
fn build() -> PathBuf {
    // target/<profile>/deps/e2e-<hash>
    let test = std::env::current_exe().expect("a running test knows its path");
    let profile_directory = test
        .ancestors()
        .nth(2)
        .expect("tests are two levels below the target directory");
    let target = profile_directory
        .parent()
        .expect("a profile's directory is in the target directory");
    let profile = match profile_directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--bins"])
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(package().join("../.."))
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the workspace does not build: {status}");
    profile_directory.join("photinus")
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
