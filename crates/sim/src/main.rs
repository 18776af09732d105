//! How is one seed repeated, or many tried?

use std::process::ExitCode;

use photinus_sim::{Counts, Outcome, run, tail};

/// How to call it.
const USAGE: &str = "\
usage: photinus-sim --seed N              prints the history of one run
       photinus-sim --seeds A..B [--keep-going]   tries the seeds from A up to, but not with, B";

/// How often the progress is shown.
const PROGRESS_SEEDS: u64 = 100;

enum Wish {
    One(u64),
    Many {
        seeds: std::ops::Range<u64>,
        keep_going: bool,
    },
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match wish(&arguments) {
        Some(Wish::One(seed)) => one(seed),
        Some(Wish::Many { seeds, keep_going }) => many(seeds, keep_going),
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn wish(arguments: &[String]) -> Option<Wish> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--seed", seed] => Some(Wish::One(seed.parse().ok()?)),
        ["--seeds", seeds, rest @ ..] => {
            let (from, to) = seeds.split_once("..")?;
            let keep_going = match rest {
                [] => false,
                ["--keep-going"] => true,
                _ => return None,
            };
            let seeds = from.parse().ok()?..to.parse().ok()?;
            Some(Wish::Many { seeds, keep_going })
        }
        _ => None,
    }
}

fn one(seed: u64) -> ExitCode {
    let outcome = run(seed);
    print!("{}", outcome.history);
    show(&outcome.counts);
    match outcome.violation {
        None => {
            println!("seed {seed}: every promise was kept");
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("seed {seed}: {violation}");
            ExitCode::FAILURE
        }
    }
}

fn many(seeds: std::ops::Range<u64>, keep_going: bool) -> ExitCode {
    let mut totals = Counts::new();
    let mut broken = 0;
    let mut tried: u64 = 0;
    let begin = tokio::time::Instant::now();
    for seed in seeds {
        let outcome = run(seed);
        tried += 1;
        for (kind, count) in &outcome.counts {
            *totals.entry(kind).or_default() += count;
        }
        if tried.is_multiple_of(PROGRESS_SEEDS) {
            println!(
                "{tried} seeds, {:.1} a second, {broken} broken",
                rate(tried, begin)
            );
        }
        if let Some(violation) = &outcome.violation {
            broken += 1;
            if keep_going {
                println!("seed {seed}: {violation}");
            } else {
                report(seed, &outcome);
                break;
            }
        }
    }
    show(&totals);
    println!(
        "{tried} seeds, {:.1} a second, {broken} broken",
        rate(tried, begin)
    );
    match broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn report(seed: u64, outcome: &Outcome) {
    print!("{}", tail(&outcome.history));
    println!(
        "seed {seed}: {}",
        outcome.violation.as_deref().unwrap_or_default()
    );
    println!("to repeat: cargo xtask sim --seed {seed}");
}

fn show(counts: &Counts) {
    for (kind, count) in counts {
        println!("{count:10}  {kind}");
    }
}

/// Seeds a second, of real time: no runtime is paused here.
fn rate(tried: u64, begin: tokio::time::Instant) -> f64 {
    tried as f64 / begin.elapsed().as_secs_f64().max(0.001)
}
