//! How is a command run for an event?

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::failure::Failure;

/// Runs the command with the event on its standard input. The inner error says how it failed.
pub(crate) async fn run(command: &str, event: &str) -> Result<Result<(), String>, Failure> {
    let child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child =
        child.map_err(|error| Failure::failed(format!("cannot run `sh -c`: {error}")))?;
    let stdin = child.stdin.take();
    let write = async move {
        // A command need not read it.
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(event.as_bytes()).await;
            let _ = stdin.write_all(b"\n").await;
        }
    };
    let ((), status) = tokio::join!(write, child.wait());
    let status =
        status.map_err(|error| Failure::failed(format!("cannot wait for the command: {error}")))?;
    Ok(match status.success() {
        true => Ok(()),
        false => Err(format!("the command ended with {status}")),
    })
}
