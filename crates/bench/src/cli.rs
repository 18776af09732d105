//! What can be said on the command line?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::clock::{now, time_of_day};
use crate::interrupt::clean_up_at_the_end;
use crate::machine::Machine;
use crate::measurement::{Bench, Measurement};
use crate::progress::Progress;
use crate::report::{Report, markdown, replace_block, text};
use crate::scale::Scale;
use crate::{bare, measurements, product, rounds};

/// What keeps the last full table.
const DOCUMENT: &str = "docs/performance.md";

/// Measures Photinus, and beside each figure what the machine can do with the same libraries and nothing of Photinus.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    arguments: Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the limits; the measurements start it
    #[command(hide = true)]
    Bare {
        /// Where its files are
        directory: PathBuf,
        /// How many rows a database has before it is measured
        warm_up: usize,
    },
}

#[derive(Debug, clap::Args)]
struct Arguments {
    /// Less of everything: under 5 minutes instead of under 25
    #[arg(long)]
    quick: bool,
    /// Only these measurements; a name may end with *
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Print the names of all measurements, with what is done
    #[arg(long)]
    list: bool,
    /// Rounds of each measurement [default: 5; 3 with --quick]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..))]
    rounds: Option<u8>,
    /// The directory for the data, which should be on the kind of disk that the data will be on [default: the target
    /// directory]
    #[arg(long = "in", value_name = "DIRECTORY")]
    place: Option<PathBuf>,
    /// Another binary of Photinus to measure [default: it is built]
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Where the JSON goes as well [default: only target/bench/<time>.json]
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
    /// Replace the table of docs/performance.md, which is of a full run
    #[arg(long, conflicts_with_all = ["quick", "only", "list", "rounds", "binary"])]
    write: bool,
}

/// The life of the process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::Bare { directory, warm_up }) => {
            bare::serve(&directory, warm_up).map(|()| true)
        }
        None => run(cli.arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// False if a measurement failed.
fn run(arguments: Arguments) -> Result<bool> {
    let mut scale = match arguments.quick {
        true => Scale::quick(),
        false => Scale::full(),
    };
    scale.rounds = arguments.rounds.map_or(scale.rounds, usize::from);
    let mut chosen = chosen(measurements::all(&scale), &arguments.only)?;
    if arguments.list {
        for measurement in chosen {
            println!("{:<24} {}", measurement.name(), measurement.about());
        }
        return Ok(true);
    }
    let own_binary = std::env::current_exe().context("a running program knows its path")?;
    let target = own_binary
        .ancestors()
        .nth(2)
        .context("it is in a profile's directory of the target directory")?;
    let results = target.join("bench");
    let place = arguments.place.unwrap_or_else(|| results.clone());
    for directory in [&results, &place] {
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    let mut machine = Machine::look(&place)?;
    if machine.is_in_memory() {
        eprintln!(
            "bench: {} is in memory, where a sync costs nothing: choose a disk with --in",
            place.display()
        );
    }
    let binary = match arguments.binary {
        Some(binary) => {
            machine.revision = format!("unknown, of {}", binary.display());
            binary
        }
        None => product::build(&own_binary)?,
    };

    let (time, started) = (time_of_day(), now());
    let bench = Bench::new(binary, own_binary.clone(), &place, scale.clone())?;
    clean_up_at_the_end(bench.directory().to_owned())?;
    let mut progress = Progress::new(chosen.len());
    let mut outcomes = Vec::with_capacity(chosen.len());
    for measurement in &mut chosen {
        outcomes.push(rounds::run(&bench, measurement.as_mut(), &mut progress));
    }
    let workload = bench.workload.describe();
    let report = Report::new(
        time,
        &scale,
        machine,
        workload,
        outcomes,
        started.elapsed().as_secs(),
    );

    print!(
        "{}",
        if arguments.markdown {
            markdown(&report)
        } else {
            text(&report)
        }
    );
    let json = serde_json::to_vec_pretty(&report)?;
    let kept = results.join(format!("{}.json", report.time));
    for path in std::iter::once(&kept).chain(&arguments.json) {
        std::fs::write(path, &json).with_context(|| path.display().to_string())?;
    }
    eprintln!("\nJSON in {}", kept.display());
    if arguments.write {
        write_document(&report)?;
    }
    let failures = report.failures().count();
    if failures > 0 {
        eprintln!(
            "bench: {failures} of {} measurements failed",
            report.outcomes.len()
        );
    }
    Ok(failures == 0)
}

fn chosen(all: Vec<Box<dyn Measurement>>, only: &[String]) -> Result<Vec<Box<dyn Measurement>>> {
    if only.is_empty() {
        return Ok(all);
    }
    let names: Vec<String> = all.iter().map(|measurement| measurement.name()).collect();
    if let Some(unknown) = only
        .iter()
        .find(|wanted| !names.iter().any(|name| is_wanted(name, wanted)))
    {
        bail!(
            "there is no measurement {unknown}; there are: {}",
            names.join(", ")
        );
    }
    let wanted = |name: &str| only.iter().any(|wanted| is_wanted(name, wanted));
    Ok(all
        .into_iter()
        .filter(|measurement| wanted(&measurement.name()))
        .collect())
}

fn is_wanted(name: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == wanted,
    }
}

fn write_document(report: &Report) -> Result<()> {
    let path = Path::new(DOCUMENT);
    let document = std::fs::read_to_string(path)
        .with_context(|| format!("{DOCUMENT}, from the workspace's directory"))?;
    std::fs::write(path, replace_block(&document, &markdown(report))?).context(DOCUMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_chosen_by_name_or_by_how_it_begins() {
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
            let chosen = chosen(measurements::all(&Scale::tiny()), &only)?;
            anyhow::Ok(
                chosen
                    .iter()
                    .map(|measurement| measurement.name())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            names(&["batch-50", "drain-0"]).unwrap(),
            ["drain-0", "batch-50"]
        );
        assert_eq!(names(&["latency-*"]).unwrap().len(), 4);
        assert!(names(&[]).unwrap().len() > 15);
        let error = names(&["drain-7"]).unwrap_err().to_string();
        assert!(
            error.contains("no measurement drain-7") && error.contains("drain-50"),
            "{error}"
        );
    }

    #[test]
    fn every_name_is_there_once() {
        let all = measurements::all(&Scale::full());
        let names: std::collections::BTreeSet<String> =
            all.iter().map(|measurement| measurement.name()).collect();
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
