//! How does the demonstration run a server of its own?
//!
//! The same program, on free ports, with nothing of what this machine's user has configured for another one. It is
//! dead before its directory is removed, however the demonstration ends.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStdout;

use super::PATIENCE;
use crate::client::Client;
use crate::failure::Failure;
use crate::target::Target;

const ANNOUNCEMENT: &str = "Photinus listens on http://";

/// A server that runs.
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
    data: PathBuf,
    /// Held, so that it is never written to in vain.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it in a directory, where it was before if that is still free.
    pub(super) async fn start(
        directory: &Path,
        before: Option<SocketAddr>,
    ) -> Result<Self, Failure> {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        if let Some(before) = before
            && let Ok(server) = Self::start_at(directory, before).await
        {
            return Ok(server);
        }
        Self::start_at(directory, free).await
    }

    async fn start_at(directory: &Path, address: SocketAddr) -> Result<Self, Failure> {
        let data = directory.join("data");
        let log = directory.join("log");
        let mut child = spawn(directory, &data, &log, address)
            .map_err(|error| Failure::failed(format!("cannot start a server: {error}")))?;
        let stdout = child
            .stdout
            .take()
            .and_then(|pipe| ChildStdout::from_std(pipe).ok());
        let mut child = Guarded(Some(child));
        let Some(stdout) = stdout else {
            return Err(Failure::failed("cannot read what the server says"));
        };
        let mut stdout = BufReader::new(stdout);
        let announced = tokio::time::timeout(PATIENCE, announced(&mut stdout)).await;
        let (Ok(Some(address)), Some(child)) = (announced, child.0.take()) else {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(Failure::failed(format!(
                "the server did not start: {}",
                log.trim()
            )));
        };
        Ok(Self {
            child,
            address,
            data,
            _stdout: stdout,
        })
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client of it.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let url = format!("http://{}", self.address)
            .parse()
            .map_err(|error| Failure::failed(format!("{}: {error}", self.address)))?;
        Client::new(&Target {
            url,
            namespace: "default".to_owned(),
            timeout: Duration::from_secs(10),
            json: false,
        })
    }

    /// SIGKILL: it learns nothing of it. Returns the id of the process that was.
    pub(super) fn kill(&mut self) -> u32 {
        let id = self.child.id();
        end(&mut self.child);
        id
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A process that has not said yet that it is a server.
struct Guarded(Option<Child>);

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[expect(
    clippy::disallowed_methods,
    reason = "what configures this machine's servers must not configure the demonstration's"
)]
fn spawn(directory: &Path, data: &Path, log: &Path, address: SocketAddr) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PHOTINUS") {
            command.env_remove(name);
        }
    }
    command
        .arg("serve")
        .args(["--listen", &address.to_string()])
        .args([
            "--monitoring",
            "127.0.0.1:0",
            "--log-level",
            "error",
            "--data",
        ])
        .arg(data)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        .spawn()
}

/// Where it says that it listens, once it does.
async fn announced(stdout: &mut BufReader<ChildStdout>) -> Option<SocketAddr> {
    loop {
        let mut line = String::new();
        if stdout.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(address) = line.trim().strip_prefix(ANNOUNCEMENT) {
            return address.parse().ok();
        }
    }
}
