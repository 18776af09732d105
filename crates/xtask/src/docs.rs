//! How do the generated pages come into `docs/reference`?
//!
//! The list of them is docs/reference/README.md: each with the command that prints it, or with the test that writes
//! it. One more is a line there. A test of the server holds the same list against the binary.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};

/// Where the pages are, from the root of the workspace.
const DIRECTORY: &str = "docs/reference";
/// Tells a test to write what it would compare.
const UPDATE: &str = "PHOTINUS_UPDATE";

/// Writes every page anew.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let directory = root.join(DIRECTORY);
    let list = directory.join("README.md");
    let list = std::fs::read_to_string(&list).context("docs/reference/README.md")?;
    for (file, words) in list.lines().filter_map(page) {
        let path = directory.join(file);
        let before = std::fs::read(&path).ok();
        let mut command = Command::new(crate::cargo_path());
        command.current_dir(root).stderr(Stdio::inherit());
        let is_printed = words.first() == Some(&"photinus");
        if is_printed {
            command.args(["run", "--quiet", "--package", "photinus-server", "--"]);
        }
        let output = command
            .args(&words[1..])
            .env(UPDATE, "1")
            .output()
            .context("could not start cargo")?;
        ensure!(output.status.success(), "`{}` failed", words.join(" "));
        if is_printed && before.as_ref() != Some(&output.stdout) {
            std::fs::write(&path, &output.stdout).with_context(|| path.display().to_string())?;
        }
        let is_new = std::fs::read(&path).ok() != before;
        let outcome = if is_new { "written" } else { "unchanged" };
        println!("{DIRECTORY}/{file}: {outcome}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The file and the command of a line such as ``- [a.md](a.md): `photinus config reference` ``.
fn page(line: &str) -> Option<(&str, Vec<&str>)> {
    let (file, rest) = line.strip_prefix("- [")?.split_once("](")?;
    let (_, rest) = rest.split_once("): `")?;
    let (command, _) = rest.split_once('`')?;
    Some((file, command.split(' ').collect()))
}
