//! What do others do?
//!
//! Measured elsewhere: on machines like this one (2 cores, client and server together, loopback, November 2026), but not in this
//! run. So only orders of magnitude are compared.

use serde::Serialize;

use crate::rounds::Outcome;
use crate::statistics::Better;

/// A figure of somebody else.
struct Reference {
    measurement: &'static str,
    figure: &'static str,
    who: &'static str,
    value: f64,
    /// What is different there.
    note: &'static str,
}

const fn reference(
    measurement: &'static str,
    figure: &'static str,
    who: &'static str,
    value: f64,
    note: &'static str,
) -> Reference {
    Reference {
        measurement,
        figure,
        who,
        value,
        note,
    }
}

/// Who is compared with.
pub const FIREFLY: &str = "FireFly, SQLite";
/// The same.
pub const FIREFLY_PG: &str = "FireFly, PostgreSQL";
/// The same, where all objects of the messages are in its memory already.
pub const FIREFLY_CACHE: &str = "FireFly, PostgreSQL, from its cache";
/// Another.
pub const NATS: &str = "NATS JetStream";
/// How it publishes fastest.
pub const NATS_BEFORE_SYNC: &str = "window 1,000, 256 B, acknowledged before fsync";
/// How it publishes what is safe.
pub const NATS_SYNCED: &str = "sync: always, quiet";
const RABBIT: &str = "RabbitMQ";
const DELIVERIES: &str = "deliveries";
const MESSAGES: &str = "messages";
const CPU: &str = "server CPU a delivery";

/// All that is comparable.
const REFERENCES: [Reference; 30] = [
    reference("drain-0", DELIVERIES, FIREFLY, 801.0, ""),
    reference("drain-50", DELIVERIES, FIREFLY, 3_212.0, ""),
    reference("drain-500", DELIVERIES, FIREFLY, 4_542.0, ""),
    reference("batch-50", DELIVERIES, FIREFLY, 3_008.0, ""),
    reference("batch-500", DELIVERIES, FIREFLY, 5_122.0, ""),
    reference("drain-0", DELIVERIES, FIREFLY_PG, 1_300.0, ""),
    reference("drain-50", DELIVERIES, FIREFLY_PG, 2_175.0, ""),
    reference("drain-500", DELIVERIES, FIREFLY_PG, 2_308.0, ""),
    reference("batch-50", DELIVERIES, FIREFLY_PG, 2_472.0, ""),
    reference("batch-500", DELIVERIES, FIREFLY_PG, 2_922.0, ""),
    reference(
        "subscriptions-10",
        DELIVERIES,
        FIREFLY_PG,
        11_475.0,
        "objects in its cache",
    ),
    reference(
        "subscriptions-100",
        DELIVERIES,
        FIREFLY_PG,
        8_900.0,
        "objects in its cache",
    ),
    reference("drain-50", DELIVERIES, FIREFLY_CACHE, 17_800.0, ""),
    reference("batch-50", DELIVERIES, FIREFLY_CACHE, 34_800.0, ""),
    reference("drain-0", CPU, FIREFLY, 627.0, ""),
    reference("drain-50", CPU, FIREFLY, 292.0, ""),
    reference("drain-500", CPU, FIREFLY, 250.0, ""),
    reference("batch-500", CPU, FIREFLY, 220.0, ""),
    reference(
        "latency-10",
        "p50",
        FIREFLY,
        8_400.0,
        "batchTimeout 0; 1,139 ms by default",
    ),
    reference(
        "latency-200",
        "p50",
        FIREFLY,
        4_700.0,
        "batchTimeout 0; 1,024 ms by default",
    ),
    reference("latency-1000", "p50", NATS, 680.0, "sync: always"),
    reference("latency-1000", "p99", NATS, 5_500.0, "sync: always"),
    reference("drain-500", DELIVERIES, NATS, 48_000.0, "WebSocket, 1 KiB"),
    reference("subscriptions-100", DELIVERIES, NATS, 40_000.0, ""),
    reference("publish-single", MESSAGES, NATS, 4_700.0, NATS_SYNCED),
    reference("publish-bulk", MESSAGES, NATS, 62_000.0, NATS_BEFORE_SYNC),
    reference("publish-bulk", MESSAGES, NATS, 4_700.0, NATS_SYNCED),
    reference(
        "publish-socket",
        MESSAGES,
        NATS,
        42_000.0,
        "window 1,000, 1 KiB, acknowledged before fsync",
    ),
    reference(
        "publish-socket",
        MESSAGES,
        RABBIT,
        25_000.0,
        "stream queue, 1,000 unconfirmed, 256 B",
    ),
    reference(
        "drain-500",
        DELIVERIES,
        RABBIT,
        33_000.0,
        "quorum queue, prefetch 500, 256 B",
    ),
];

/// Ours beside theirs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Of which measurement.
    pub measurement: String,
    /// Of which figure of it.
    pub figure: String,
    /// Whose.
    pub who: &'static str,
    /// Ours, in this run.
    pub ours: f64,
    /// Theirs, elsewhere.
    pub theirs: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// How many times as good ours is.
    pub factor: f64,
    /// What is different there.
    pub note: &'static str,
}

/// How many times as fast as FireFly on SQLite a drain has to be.
pub const FIREFLY_FACTOR_MIN: f64 = 5.0;

impl Comparison {
    /// Whether it is one of those that have to be [`FIREFLY_FACTOR_MIN`] times as good.
    pub fn is_drain_of_firefly(&self) -> bool {
        self.who == FIREFLY && self.figure == DELIVERIES
    }
}

/// What can be compared of these outcomes.
pub fn compare(outcomes: &[Outcome]) -> Vec<Comparison> {
    REFERENCES
        .iter()
        .filter_map(|reference| comparison(reference, outcomes))
        .collect()
}

fn comparison(reference: &Reference, outcomes: &[Outcome]) -> Option<Comparison> {
    let outcome = outcomes
        .iter()
        .find(|outcome| outcome.name == reference.measurement)?;
    let figure = outcome
        .figures
        .iter()
        .find(|figure| figure.figure.name == reference.figure)?;
    let ours = figure.product.as_ref()?.median;
    let unit = figure.figure.unit;
    let factor = match unit.better() {
        Better::More => ours / reference.value,
        Better::Less => reference.value / ours,
    };
    Some(Comparison {
        measurement: outcome.name.clone(),
        figure: reference.figure.to_owned(),
        who: reference.who,
        ours,
        theirs: reference.value,
        unit: unit.text(),
        factor,
        note: reference.note,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurements;
    use crate::scale::Scale;

    #[test]
    fn every_reference_is_beside_a_figure_that_exists() {
        let all = measurements::all(&Scale::full());
        for reference in &REFERENCES {
            let exists = all.iter().any(|measurement| {
                let figures = measurement.figures();
                measurement.name() == reference.measurement
                    && figures.iter().any(|figure| figure.name == reference.figure)
            });
            assert!(exists, "{} {}", reference.measurement, reference.figure);
        }
    }
}
