//! Which chores of the project run as one command?

mod docs;
mod mutants;
mod prerequisites;
mod step;
mod test_totals;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::step::Steps;
use crate::test_totals::TestTotals;

const HELP: &str = "\
Chores of the project.

Usage: cargo xtask <COMMAND>

Commands:
  test             Install what is missing, then run every check: format, lints, build, all tests, mutants
  ci               The same
  sim [ARGUMENTS]  Simulate; `sim --seed N` prints what happened, `sim --help` says the rest
  mutants [NN]...  Take each invariant away, or these, and require that a test fails
  docs             Write the generated pages of docs/reference anew
  bench [OPTIONS]  Measure, beside what the machine can do; `bench --quick` for a first look, `bench --help` says the rest
  fixture NAME     Keep what this build stores and says, for later builds to understand
  help             This text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["test" | "ci"] => test(),
        ["sim", ref rest @ ..] => sim(rest),
        ["docs"] => root().and_then(|root| docs::run(&root)),
        ["bench", ref rest @ ..] => bench(rest),
        ["fixture", name] => fixture(name),
        ["mutants", ref rest @ ..] => root().and_then(|root| mutants::run(&root, rest)),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("xtask: do not know {:?}\n\n{HELP}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace that cargo runs this for.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo says so in the environment; where this was compiled can be another checkout"
)]
fn root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = Path::new(&package).ancestors().nth(2);
    Ok(root
        .context("the workspace root is two levels above crates/xtask")?
        .to_owned())
}

/// Runs the simulation.
fn sim(arguments: &[&str]) -> Result<ExitCode> {
    let line = ["run", "--quiet", "--package", "photinus-sim", "--"];
    cargo_in(&root()?, &[&line, arguments].concat())
}

/// Measures, with everything optimised.
fn bench(arguments: &[&str]) -> Result<ExitCode> {
    let line = [
        "run",
        "--quiet",
        "--release",
        "--package",
        "photinus-bench",
        "--",
    ];
    cargo_in(&root()?, &[&line, arguments].concat())
}

/// Makes a fixture.
fn fixture(name: &str) -> Result<ExitCode> {
    let line = ["run", "--quiet", "--example", "make_fixture", "--", name];
    cargo_in(&root()?.join("crates/e2e"), &line)
}

fn cargo_in(directory: &Path, arguments: &[&str]) -> Result<ExitCode> {
    let status = Command::new(cargo_path())
        .current_dir(directory)
        .args(arguments)
        .status()
        .context("could not start cargo")?;
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Every check of the project, in the order in which a failure is cheapest to find.
fn test() -> Result<ExitCode> {
    let root = root()?;
    let root = root.as_path();
    let mut steps = Steps::default();
    let mut totals = TestTotals::default();
    let passed = run(root, &mut steps, &mut totals)?;

    steps.print_summary();
    if totals.is_any() {
        // The very last line, alone, so that whoever reads only the end of a log learns the outcome.
        println!("{totals}");
    }
    std::io::stdout().flush()?;
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run(root: &Path, steps: &mut Steps, totals: &mut TestTotals) -> Result<bool> {
    steps.task("What this needs", || prerequisites::ensure(root))?;

    let cargo = |line: &str| {
        let mut command = Command::new(cargo_path());
        command.current_dir(root).args(line.split_whitespace());
        (format!("cargo {line}"), command)
    };
    for (heading, line) in [
        ("Format", "fmt --all --check"),
        (
            "Lints",
            "clippy --workspace --all-targets -- --deny warnings",
        ),
        ("Build", "build --workspace --bins"),
    ] {
        let (shown, command) = cargo(line);
        if !steps.command(heading, &shown, command)? {
            return Ok(false);
        }
    }
    // All of a run's failures at once are worth more than a minute saved.
    let (shown, command) = cargo("test --workspace --no-fail-fast");
    let passed = steps.command_read("Tests", &shown, command, |line| totals.read(line))?;
    if !passed {
        return Ok(false);
    }
    let (shown, command) = cargo("xtask mutants");
    steps.command("Mutants", &shown, command)
}

/// The cargo that runs this, so that every step uses the same toolchain.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells its path by the environment only, and this is not configuration"
)]
fn cargo_path() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
