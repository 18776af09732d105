//! What is to be reached?

use Bound::{AtLeast, AtMost, Below};
use Value::{Elsewhere, Median, Share, Times, TimesThat};

use crate::references::{FIREFLY, FIREFLY_CACHE, FIREFLY_PG, NATS, NATS_BEFORE_SYNC, NATS_SYNCED};

/// What is held against a bound.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// The median.
    Median,
    /// The share of this limit.
    Share(&'static str),
    /// How many times what this limit has.
    Times(&'static str),
    /// How many times what the same figure of this measurement is.
    TimesThat(&'static str),
    /// How many times as good as theirs, with this note.
    Elsewhere(&'static str, &'static str),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

/// A figure and what it is to be. A name of a measurement may end with `*`: then each of them.
pub(super) struct Target {
    pub(super) what: &'static str,
    pub(super) measurement: &'static str,
    pub(super) figure: &'static str,
    pub(super) value: Value,
    pub(super) bound: Bound,
}

const fn target(
    what: &'static str,
    measurement: &'static str,
    figure: &'static str,
    value: Value,
    bound: Bound,
) -> Target {
    Target {
        what,
        measurement,
        figure,
        value,
        bound,
    }
}

const DELIVERIES: &str = "deliveries";
const MESSAGES: &str = "messages";
const CPU_DELIVERY: &str = "server CPU a delivery";
const CPU_MESSAGE: &str = "server CPU a message";
const P50_MORE: &str = "p50 − fsync p50";
const P99_MORE: &str = "p99 − fsync p99";
const PUSH: &str = "bare: push with acks";
const FEW: &str = "the same with 10";
const LITTLE: &str = "the same with little stored";
const NONE: &str = "the same with none stored";

const DRAIN: &str = "drain, one WebSocket, read-ahead 500";
const BATCHES: &str = "batches of 500";
const SINGLY: &str = "read-ahead 0: one round trip an event";
const BULK: &str = "publish in bulk";
const CLIENTS: &str = "publish, 64 clients, one message a request";
const LATENCY: &str = "publish → deliver, beyond a bare fsync";
const BESIDE: &str = "publish → deliver beside 20,000/s in bulk";
const FAN_OUT: &str = "subscriptions that all match";
const BYSTANDERS: &str = "ephemeral subscriptions, of which 10 match";
const START_ONE: &str = "starting one among many";
const EACH: &str = "memory of what is idle";
const KEYED: &str = "64 keys and receivers that take 50 ms";
const ASKED: &str = "bare: HTTP client";
const HOOKS: &str = "webhooks";
const CONFIRMED: &str = "bare: client with confirms";
const BROKERS: &str = "brokers";
const FAIR: &str = "beside subscriptions that are dead";
const CATCH_UP: &str = "catching up together";
const SCAN: &str = "passing what does not match";
const START: &str = "start on a long history";
const MEMORY: &str = "memory";
const GROWTH: &str = "much stored against little";

/// All of them.
pub(super) const TARGETS: [Target; 42] = [
    target(DRAIN, "drain-500", DELIVERIES, Share(PUSH), AtLeast(0.7)),
    target(
        DRAIN,
        "drain-500",
        DELIVERIES,
        Elsewhere(NATS, "WebSocket, 1 KiB"),
        AtLeast(1.5),
    ),
    target(
        DRAIN,
        "drain-500",
        DELIVERIES,
        Elsewhere(FIREFLY, ""),
        AtLeast(20.0),
    ),
    target(
        DRAIN,
        "drain-500",
        DELIVERIES,
        Elsewhere(FIREFLY_PG, ""),
        AtLeast(20.0),
    ),
    target(
        DRAIN,
        "drain-50",
        DELIVERIES,
        Elsewhere(FIREFLY_CACHE, ""),
        AtLeast(5.0),
    ),
    target(
        BATCHES,
        "batch-500",
        DELIVERIES,
        Share("bare: ready frames with acks"),
        AtLeast(0.6),
    ),
    target(BATCHES, "batch-500", DELIVERIES, Median, AtLeast(400_000.0)),
    target(SINGLY, "drain-0", DELIVERIES, Share(PUSH), AtLeast(0.6)),
    target(
        BULK,
        "publish-bulk",
        MESSAGES,
        Share("bare: SQLite alone"),
        AtLeast(0.6),
    ),
    target(BULK, "publish-bulk", MESSAGES, Median, AtLeast(100_000.0)),
    target(
        BULK,
        "publish-bulk",
        MESSAGES,
        Elsewhere(NATS, NATS_BEFORE_SYNC),
        AtLeast(1.0),
    ),
    target(
        BULK,
        "publish-bulk",
        MESSAGES,
        Elsewhere(NATS, NATS_SYNCED),
        AtLeast(20.0),
    ),
    target(
        CLIENTS,
        "publish-64",
        MESSAGES,
        Share("bare: parse alone"),
        AtLeast(0.55),
    ),
    target(LATENCY, "latency-10", P50_MORE, Median, AtMost(300.0)),
    target(LATENCY, "latency-200", P50_MORE, Median, AtMost(300.0)),
    target(LATENCY, "latency-1000", P50_MORE, Median, AtMost(300.0)),
    target(LATENCY, "latency-10", P99_MORE, Median, AtMost(2_000.0)),
    target(LATENCY, "latency-200", P99_MORE, Median, AtMost(2_000.0)),
    target(LATENCY, "latency-1000", P99_MORE, Median, AtMost(2_000.0)),
    target(
        BESIDE,
        "latency-beside-bulk",
        "p99",
        Median,
        AtMost(25_000.0),
    ),
    target(
        BESIDE,
        "latency-beside-bulk",
        "uploaded",
        Median,
        AtLeast(19_000.0),
    ),
    target(
        FAN_OUT,
        "subscriptions-*",
        DELIVERIES,
        Share(PUSH),
        AtLeast(0.7),
    ),
    target(
        FAN_OUT,
        "subscriptions-1000",
        CPU_DELIVERY,
        TimesThat("subscriptions-10"),
        AtMost(1.3),
    ),
    target(
        BYSTANDERS,
        "ephemeral-publish-*",
        MESSAGES,
        Share(FEW),
        AtLeast(0.8),
    ),
    // The same, as far as it can be measured.
    target(
        START_ONE,
        "ephemeral-publish-*",
        "server CPU a start",
        Times(FEW),
        AtMost(1.25),
    ),
    target(EACH, "ephemeral", "memory each", Median, AtMost(2_048.0)),
    target(
        EACH,
        "idle-sockets",
        "memory each",
        Median,
        AtMost(40_960.0),
    ),
    target(
        KEYED,
        "keys-*",
        "events",
        Share("the same without keys"),
        AtLeast(50.0),
    ),
    target(
        FAIR,
        "fairness-*",
        "p99",
        Times("the same without the dead"),
        AtMost(1.5),
    ),
    target(
        HOOKS,
        "hooks-ordered",
        DELIVERIES,
        Share(ASKED),
        AtLeast(0.7),
    ),
    target(
        HOOKS,
        "hooks-keys-*",
        DELIVERIES,
        Share(ASKED),
        AtLeast(0.6),
    ),
    target(
        HOOKS,
        "hooks-fastack-*",
        DELIVERIES,
        Share(ASKED),
        AtLeast(0.6),
    ),
    target(HOOKS, "hooks-latency", P50_MORE, Median, AtMost(1_000.0)),
    target(
        BROKERS,
        "brokers-*",
        DELIVERIES,
        Share(CONFIRMED),
        AtLeast(0.8),
    ),
    target(
        CATCH_UP,
        "catch-up-*",
        "times an event was read",
        Median,
        Below(3.0),
    ),
    target(SCAN, "scan", "events passed", Median, AtLeast(500_000.0)),
    target(
        START,
        "start-*",
        "from start to listening",
        Median,
        Below(1_000.0),
    ),
    target(
        START,
        "start-*",
        "memory then (RSS)",
        Times(NONE),
        AtMost(1.1),
    ),
    target(MEMORY, "memory", "memory idle (PSS)", Median, AtMost(20.0)),
    target(
        MEMORY,
        "memory-*",
        "memory at its peak (RSS)",
        Median,
        AtMost(150.0),
    ),
    target(GROWTH, "growth", CPU_MESSAGE, Times(LITTLE), AtMost(1.1)),
    target(GROWTH, "growth", CPU_DELIVERY, Times(LITTLE), AtMost(1.1)),
];
