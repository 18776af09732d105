//! Who ends brokers when the process of the tests is gone?
//!
//! A shell that reads from a pipe: which brokers there are. The pipe ends with this process, however that ends, and then
//! the shell ends the brokers that are left and removes their directories.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

const SCRIPT: &str = r#"
known=""
while read -r verb group directory; do
    case "$verb" in
        +) known="$known $group=$directory" ;;
        -) rest=""
           for one in $known; do
               case "$one" in "$group="*) ;; *) rest="$rest $one" ;; esac
           done
           known="$rest" ;;
    esac
done
for one in $known; do kill -9 "-${one%%=*}" 2>/dev/null; done
for one in $known; do rm -rf "${one#*=}"; done
"#;

static WATCHER: OnceLock<Mutex<ChildStdin>> = OnceLock::new();

/// A group of processes, and the directory that they use.
pub(crate) fn watch(group: i32, directory: &Path) {
    tell(&format!("+ {group} {}\n", directory.display()));
}

/// They are gone, or somebody else's.
pub(crate) fn forget(group: i32) {
    tell(&format!("- {group}\n"));
}

#[expect(
    clippy::zombie_processes,
    reason = "it ends when this process has: nobody is left to wait for it"
)]
fn tell(line: &str) {
    let watcher = WATCHER.get_or_init(|| {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // What interrupts the tests does not end it.
            .process_group(0)
            .spawn()
            .expect("there is a shell");
        Mutex::new(shell.stdin.take().expect("it is piped"))
    });
    let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
    watcher.write_all(line.as_bytes()).expect("it reads");
}
