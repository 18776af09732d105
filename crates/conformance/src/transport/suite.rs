//! How are the rules run?
//!
//! Each on threads of its own, with an engine, a transport and a far end of its own, so that a transport that
//! blocks, hangs or panics is refused and nothing else is harmed.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::timeout;

use super::bench::{Bench, SHUTDOWN_MAX};
use super::panics;
use super::rules::{Part, RULES, Rule};
use super::samples;
use super::subject::Subject;
use super::verdict::{Fault, Table, Verdict};

/// Threads that a rule has for the engine and the transport. More than a transport can block at once.
const THREADS: usize = 4;
/// How often the patience of the subject may be used up within a rule.
const PATIENCES: u32 = 6;

/// Runs all rules, one after the other.
pub fn run(subject: impl Fn() -> Subject + Sync) -> Table {
    let rows = RULES
        .iter()
        .map(|rule| (rule.name, run_rule(&subject, rule)));
    Table {
        rows: rows.collect(),
    }
}

/// Runs the rule of this name, as a test does: panics with what was seen if the transport is refused, and
/// writes to the standard error if it was skipped.
#[expect(
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test fails by panicking, and the sentence above says so"
)]
pub fn check(subject: impl Fn() -> Subject + Sync, name: &str) {
    let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
        panic!("there is no rule '{name}'");
    };
    match run_rule(subject, rule) {
        Verdict::Refused(text) => panic!("{}\n  {}", rule.promise, text),
        // Not by a macro, whose output a test that passes does not show.
        Verdict::Skipped(why) => {
            let _ = writeln!(std::io::stderr(), "skipped {name}: {why}");
        }
        Verdict::Kept => {}
    }
}

/// The rules that are skipped for a subject, by name, with the reason. Runs none of them.
pub fn skipped(subject: impl Fn() -> Subject + Sync) -> Vec<(&'static str, String)> {
    let found = on_threads(&subject, async |bench| {
        let found = RULES
            .iter()
            .filter_map(|rule| Some((rule.name, lacking(bench, rule)?)));
        Ok(found.collect())
    });
    found.unwrap_or_else(|text| vec![("none could be tried", text)])
}

/// Runs one rule.
pub fn run_rule(subject: impl Fn() -> Subject + Sync, rule: &Rule) -> Verdict {
    let verdict = on_threads(&subject, async |bench| match lacking(bench, rule) {
        Some(why) => Ok(Verdict::Skipped(why)),
        None => (rule.run)(bench).await.map(|()| Verdict::Kept),
    });
    verdict.unwrap_or_else(Verdict::Refused)
}

/// What the rule needs and is not there.
fn lacking(bench: &Bench, rule: &Rule) -> Option<String> {
    let unskilled: Vec<String> = rule
        .skills
        .iter()
        .filter(|skill| !bench.can(**skill))
        .map(|skill| format!("{skill:?}"))
        .collect();
    if !unskilled.is_empty() {
        return Some(format!("the far end cannot: {}", unskilled.join(", ")));
    }
    rule.parts.iter().find_map(|part| match part {
        Part::Batches => {
            (!bench.capabilities().batches).then(|| "the transport takes no batches".to_owned())
        }
        Part::Changes => (!bench.capabilities().change_events)
            .then(|| "the transport takes no changes".to_owned()),
        Part::Secrets => {
            let schema = bench.transport().ok()?.options_schema();
            let secret = samples::properties(&schema)
                .iter()
                .any(|property| samples::is_secret(&schema, &property.schema));
            (!secret).then(|| "no option of the transport is writeOnly".to_owned())
        }
    })
}

/// Runs something on a bench of its own; the error says how the transport is refused.
fn on_threads<T: Send>(
    subject: &(impl Fn() -> Subject + Sync),
    run: impl AsyncFnOnce(&mut Bench) -> Result<T, Fault> + Send,
) -> Result<T, String> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let name = format!("conformance-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    panics::watch(&name);
    let result = std::thread::scope(|scope| {
        let body = || {
            let runtime = Builder::new_multi_thread()
                .worker_threads(THREADS)
                .thread_name(&name)
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            let result = runtime.block_on(on_bench(subject(), run));
            // What still blocks is left behind.
            runtime.shutdown_timeout(Duration::from_millis(50));
            result
        };
        let thread = std::thread::Builder::new().name(name.clone());
        match thread.spawn_scoped(scope, body) {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|_| Err("the far end or the transport panicked".to_owned())),
            Err(error) => Err(error.to_string()),
        }
    });
    let panicked = panics::seen(&name);
    panics::forget(&name);
    match panicked.first() {
        None => result,
        Some(panic) => Err(match result {
            Ok(_) => format!("it panicked: {panic}"),
            Err(text) => format!("it panicked: {panic}\n  and: {text}"),
        }),
    }
}

async fn on_bench<T>(
    subject: Subject,
    run: impl AsyncFnOnce(&mut Bench) -> Result<T, Fault>,
) -> Result<T, String> {
    let limit = subject.patience * PATIENCES + SHUTDOWN_MAX;
    let mut bench = Bench::start(subject).await.map_err(|Fault(text)| text)?;
    let result = match timeout(limit, run(&mut bench)).await {
        Ok(result) => result,
        Err(_) => Err(Fault(format!("the rule did not end within {limit:?}"))),
    };
    let result = match (result, bench.journal.fault()) {
        (result, None) => result,
        (Ok(_), Some(fault)) => Err(Fault(fault)),
        (Err(Fault(text)), Some(fault)) => Err(Fault(format!("{fault}\n  and: {text}"))),
    };
    result.map_err(|Fault(text)| {
        let seen = bench.journal.tail();
        format!("{text}\n  the last calls:\n{seen}")
    })
}
