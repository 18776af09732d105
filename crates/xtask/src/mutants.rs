//! Does a test fail when an invariant is taken away?
//!
//! Each file of `crates/sim/mutants` takes one out of the product and names the test that has to fail then. They
//! are applied to a copy of the tree, one after another.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Where the mutants are.
const DIRECTORY: &str = "crates/sim/mutants";
/// How long a test may take; one that hangs has noticed something, too.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many lines of output are shown of a run that went wrong.
const SHOWN_LINES: usize = 30;

/// One invariant, taken away.
struct Mutant {
    /// The name of its file, without the ending.
    name: String,
    patch: PathBuf,
    invariant: String,
    /// What goes behind `cargo test`.
    test: String,
}

/// How a test ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Passed,
    Failed,
    /// It did not come to a test at all.
    NotBuilt,
    Hung,
}

/// Tries all mutants, or those with these names. Fails if any is not noticed.
pub(crate) fn run(root: &Path, names: &[&str]) -> Result<ExitCode> {
    let mutants = wanted(root, names)?;
    let place = root.join("target/mutants");
    let tree = copy(root, &place.join("tree"))?;
    let bench = Bench {
        target: place.join("target"),
        output: place.join("output.txt"),
        tree,
    };

    println!("Without a mutant, every test that one names has to pass:");
    let mut tests: Vec<&str> = mutants.iter().map(|mutant| mutant.test.as_str()).collect();
    tests.sort_unstable();
    tests.dedup();
    for test in tests {
        let start = now();
        let ended = bench.test(test)?;
        println!(
            "   {:>6.1} s  cargo test {test}",
            start.elapsed().as_secs_f64()
        );
        if ended != Ended::Passed {
            bench.show_output()?;
            bail!("`cargo test {test}` has to pass without a mutant");
        }
    }

    println!("With each, its own has to fail:");
    let mut missed = 0;
    for mutant in &mutants {
        let start = now();
        bench.apply(mutant, false)?;
        let ended = bench.test(&mutant.test)?;
        bench.apply(mutant, true)?;
        let noticed = matches!(ended, Ended::Failed | Ended::Hung);
        missed += usize::from(!noticed);
        let word = match ended {
            Ended::Failed => "noticed",
            Ended::Hung => "noticed (it hung)",
            Ended::Passed => "NOT NOTICED",
            Ended::NotBuilt => "DOES NOT BUILD",
        };
        println!(
            "   {:>6.1} s  {} {word}: {}",
            start.elapsed().as_secs_f64(),
            mutant.name,
            mutant.invariant
        );
        if !noticed {
            bench.show_output()?;
        }
    }
    println!(
        "{} of {} mutants noticed",
        mutants.len() - missed,
        mutants.len()
    );
    Ok(match missed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn wanted(root: &Path, names: &[&str]) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for entry in fs::read_dir(root.join(DIRECTORY)).context(DIRECTORY)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "patch") {
            mutants.push(read(&path).with_context(|| path.display().to_string())?);
        }
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    for name in names {
        ensure!(
            mutants.iter().any(|mutant| mutant.name == *name),
            "there is no {DIRECTORY}/{name}.patch"
        );
    }
    if !names.is_empty() {
        mutants.retain(|mutant| names.contains(&mutant.name.as_str()));
    }
    ensure!(!mutants.is_empty(), "there is no mutant in {DIRECTORY}");
    Ok(mutants)
}

/// Reads a mutant's head: lines `Invariant N: …` and `Test: …` before the first `diff` or `---`.
fn read(patch: &Path) -> Result<Mutant> {
    let text = fs::read_to_string(patch)?;
    let head = text
        .lines()
        .take_while(|line| !line.starts_with("diff ") && !line.starts_with("--- "));
    let (mut invariant, mut test) = (None, None);
    for line in head {
        if line.starts_with("Invariant ") {
            invariant = Some(line.to_owned());
        } else if let Some(arguments) = line.strip_prefix("Test: ") {
            test = Some(arguments.to_owned());
        }
    }
    let name = patch.file_stem().unwrap_or_default();
    Ok(Mutant {
        name: name.to_string_lossy().into_owned(),
        patch: patch.to_owned(),
        invariant: invariant.context("it has no line `Invariant N: …`")?,
        test: test.context("it has no line `Test: …`")?,
    })
}

/// Copies what git knows of the tree, and what is new in it. Files that are the same already are left alone, so
/// that cargo builds only what changed since the last time.
fn copy(root: &Path, tree: &Path) -> Result<PathBuf> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .context("git lists the files")?;
    ensure!(listed.status.success(), "git ls-files failed");
    let listed = String::from_utf8(listed.stdout).context("names of files are UTF-8")?;
    let names: BTreeSet<&Path> = listed.split_terminator('\0').map(Path::new).collect();
    remove_others(tree, tree, &names)?;
    for name in listed.split_terminator('\0') {
        let (from, to) = (root.join(name), tree.join(name));
        let Ok(content) = fs::read(&from) else {
            // Deleted, and git does not know it yet.
            let _ = fs::remove_file(&to);
            continue;
        };
        if fs::read(&to).is_ok_and(|there| there == content) {
            continue;
        }
        fs::create_dir_all(to.parent().context("a file is in a directory")?)?;
        fs::write(&to, content).with_context(|| to.display().to_string())?;
    }
    Ok(tree.to_owned())
}

/// Removes the files below `directory` that are not among the names, which are relative to `tree`.
fn remove_others(tree: &Path, directory: &Path, names: &BTreeSet<&Path>) -> Result<()> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(tree, &path, names)?;
        } else if !names.contains(path.strip_prefix(tree)?) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

struct Bench {
    tree: PathBuf,
    target: PathBuf,
    /// What the last test wrote.
    output: PathBuf,
}

impl Bench {
    fn apply(&self, mutant: &Mutant, reverse: bool) -> Result<()> {
        let mut command = Command::new("git");
        command
            .arg("apply")
            .args(reverse.then_some("--reverse"))
            .arg(&mutant.patch)
            .current_dir(&self.tree)
            // The copy is no checkout: without this, git would find the one around it and change that.
            .env(
                "GIT_CEILING_DIRECTORIES",
                self.tree.parent().unwrap_or(&self.tree),
            );
        let status = command.status().context("git apply")?;
        ensure!(
            status.success(),
            "{} does not fit the tree any more: make it anew",
            mutant.patch.display()
        );
        Ok(())
    }

    /// `cargo test` with these arguments, in the copy, with its output in the file.
    fn cargo_test(&self) -> Result<Command> {
        let output = File::create(&self.output)?;
        let mut command = Command::new(crate::cargo_path());
        command
            .arg("test")
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .stdin(Stdio::null())
            .process_group(0)
            .stderr(output.try_clone()?)
            .stdout(output);
        Ok(command)
    }

    fn test(&self, arguments: &str) -> Result<Ended> {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let built = self.cargo_test()?.arg("--no-run").args(&arguments).status();
        if !built.context("cargo test --no-run")?.success() {
            return Ok(Ended::NotBuilt);
        }
        let mut child = self.cargo_test()?.args(&arguments).spawn()?;
        let start = now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if start.elapsed() > PATIENCE {
                // Cargo and its test: they are a process group of their own.
                let group = format!("-{}", child.id());
                let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
                child.wait()?;
                return Ok(Ended::Hung);
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        Ok(match status.success() {
            true => Ended::Passed,
            false => Ended::Failed,
        })
    }

    fn show_output(&self) -> Result<()> {
        let written = String::from_utf8_lossy(&fs::read(&self.output)?).into_owned();
        let lines: Vec<&str> = written.lines().collect();
        for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
            println!("      | {line}");
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a mutant took is a fact about this machine, for people"
)]
fn now() -> Instant {
    Instant::now()
}
