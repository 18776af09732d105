//! Where are the programs in Python that the tests run?

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::binary::package;

/// The directory with them; `.venv` in it has what requirements.txt says, unmodified.
pub fn python() -> PathBuf {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(install).clone()
}

fn install() -> PathBuf {
    let directory = package().join("python");
    let modified = |name: &str| {
        let file = directory.join(name).metadata();
        file.and_then(|file| file.modified())
    };
    let wanted = modified("requirements.txt").expect("the list is committed");
    if !modified(".venv/installed").is_ok_and(|installed| installed >= wanted) {
        run(&directory, "python3", &["-m", "venv", ".venv"]);
        let arguments = ["install", "--quiet", "--requirement", "requirements.txt"];
        run(&directory, ".venv/bin/pip", &arguments);
        std::fs::write(directory.join(".venv/installed"), "").expect("it was just made");
    }
    directory
}

fn run(directory: &Path, program: &str, arguments: &[&str]) {
    let program = match program.starts_with('.') {
        true => directory.join(program),
        false => program.into(),
    };
    let status = Command::new(&program)
        .args(arguments)
        .current_dir(directory)
        .stdout(Stdio::null())
        .status()
        .expect("python3 with venv is there (cargo xtask test installs it)");
    assert!(status.success(), "{}: {status}", program.display());
}
