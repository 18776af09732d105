//! How do the generated pages come into `docs/reference`?
//!
//! The list of them is docs/reference/README.md: each with the command that prints it. One more is a line there.
//! A test of the server holds the same list against the binary.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

/// Where the pages are, from the root of the workspace.
const DIRECTORY: &str = "docs/reference";

/// Writes every page anew.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let directory = root.join(DIRECTORY);
    let list = directory.join("README.md");
    let list = std::fs::read_to_string(&list).context("docs/reference/README.md")?;
    for (file, arguments) in list.lines().filter_map(page) {
        let output = Command::new(crate::cargo_path())
            .current_dir(root)
            .args(["run", "--quiet", "--package", "photinus-server", "--"])
            .args(&arguments)
            .stderr(std::process::Stdio::inherit())
            .output()
            .context("could not start cargo")?;
        let command = arguments.join(" ");
        ensure!(output.status.success(), "`photinus {command}` failed");
        let path = directory.join(file);
        let is_new = std::fs::read(&path).ok().as_ref() != Some(&output.stdout);
        if is_new {
            std::fs::write(&path, &output.stdout).with_context(|| path.display().to_string())?;
        }
        let outcome = if is_new { "written" } else { "unchanged" };
        println!("{DIRECTORY}/{file}: {outcome}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The file and the arguments of a line such as ``- [a.md](a.md): `photinus config reference` ``.
fn page(line: &str) -> Option<(&str, Vec<&str>)> {
    let (file, rest) = line.strip_prefix("- [")?.split_once("](")?;
    let (_, command) = rest.split_once("): `photinus ")?;
    Some((file, command.strip_suffix('`')?.split(' ').collect()))
}
