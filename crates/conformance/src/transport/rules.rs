//! Which promises does a transport have to keep?

mod batches;
mod changes;
mod connections;
mod ephemeral;
mod full;
mod late;
mod order;
mod outcomes;
mod schemas;
mod secrets;
mod stopping;
mod trouble;

use std::pin::Pin;

use super::bench::Bench;
use super::far_end::Skill;
use super::verdict::Kept;

/// A promise, and how it is tried.
pub struct Rule {
    /// Its name, which is also the name of the test.
    pub name: &'static str,
    /// The promise.
    pub promise: &'static str,
    /// What the far end must be able to do.
    pub skills: &'static [Skill],
    /// What the transport must have besides.
    pub(super) parts: &'static [Part],
    pub(super) run: for<'a> fn(&'a mut Bench) -> Trial<'a>,
}

/// What not every transport has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It takes batches.
    Batches,
    /// It takes changes.
    Changes,
    /// One of its options is a secret.
    Secrets,
}

pub(super) type Trial<'a> = Pin<Box<dyn Future<Output = Kept> + 'a>>;

macro_rules! rule {
    ($run:path, $name:literal, $promise:literal, [$($skill:ident),*] $(, $part:ident)*) => {
        Rule {
            name: $name,
            promise: $promise,
            skills: &[$(Skill::$skill),*],
            parts: &[$(Part::$part),*],
            run: |bench| Box::pin($run(bench)),
        }
    };
}

/// All rules.
pub static RULES: &[Rule] = &[
    rule!(
        order::order,
        "order",
        "Every event reaches the application once, whole, and in the order of its sequences.",
        []
    ),
    rule!(
        order::gaps,
        "gaps",
        "An acknowledgement settles the event that it names and no other; the offset moves only over what is settled without a gap.",
        [AnyOrder]
    ),
    rule!(
        outcomes::retry,
        "retry",
        "An event that is asked for again comes again, with all that came after it, in order; only its own attempt is raised.",
        [Retry]
    ),
    rule!(
        outcomes::park,
        "park",
        "An event that is parked is set aside with its reason, is not repeated, and holds up nothing.",
        [Park]
    ),
    rule!(
        outcomes::skip,
        "skip",
        "An event that is skipped is not repeated, is not parked, and holds up nothing.",
        [Skip]
    ),
    rule!(
        outcomes::reply,
        "reply",
        "A message that answers an event is published once, and its cid is the id of the event's message.",
        [Reply]
    ),
    rule!(
        late::after_rewind,
        "late_after_rewind",
        "After a rewind, an answer to an earlier delivery settles nothing, and shifts no later answer.",
        [AnyOrder, Retry, LateAnswer]
    ),
    rule!(
        late::after_ack_timeout,
        "late_after_ack_timeout",
        "An event that was not answered in time comes again; its late answer settles nothing else.",
        [Retry, LateAnswer]
    ),
    rule!(
        late::after_change,
        "late_after_change",
        "After a change of the subscription, an answer to an earlier delivery settles nothing.",
        [Retry, LateAnswer]
    ),
    rule!(
        full::busy,
        "busy",
        "Where the application does not read, the transport says busy before it holds too much, says ready later, and loses and repeats nothing.",
        [AnyOrder, Stall]
    ),
    rule!(
        full::failed_hand_over,
        "failed_hand_over",
        "After a hand-over that failed, the event comes as the next attempt, and no answer to the failed one follows.",
        []
    ),
    rule!(
        full::never_blocks,
        "never_blocks",
        "No hand-over waits, also where the application does not read.",
        [AnyOrder, Stall]
    ),
    rule!(
        connections::takeover,
        "takeover",
        "When a connection is gone, what it left unanswered goes to the next, in order, as the same attempt.",
        [TwoConnections, Cut]
    ),
    rule!(
        connections::after_closed,
        "after_closed",
        "A delivery to a connection that is gone is answered with Closed, at once; that it was voided is taken as well.",
        [Cut]
    ),
    rule!(
        connections::matcher,
        "matcher",
        "A connection that waits for a subscription serves it when it is created, follows its changes, and ends with it.",
        [AttachEarly]
    ),
    rule!(
        connections::replaced_list,
        "replaced_list",
        "Attaching a connection to one more subscription disturbs nothing that is in flight for the others.",
        [AnyOrder, SecondAttach]
    ),
    rule!(
        ephemeral::life,
        "ephemeral_life",
        "An ephemeral subscription starts at the newest event, is its connection's own, and ends with it.",
        [Ephemeral, TwoConnections, Cut]
    ),
    rule!(
        ephemeral::refused,
        "ephemeral_refused",
        "What the engine refuses is refused to the application, with the code of the error.",
        [Ephemeral]
    ),
    rule!(
        changes::told,
        "changes",
        "A connection that asks for changes is told those of its namespace that it asked for, whole and in order, answers none of them, and is told no more when it is closed.",
        [Changes, TwoConnections, Cut],
        Changes
    ),
    rule!(
        changes::refused,
        "changes_refused",
        "Changes that the engine refuses are refused to the application, with the code of the error.",
        [Changes],
        Changes
    ),
    rule!(
        changes::dropped,
        "changes_dropped",
        "Where the application does not read changes, the transport waits for nobody and says busy before it holds too much; when it reads again, what it was told and what it is said to have missed are all there were.",
        [Changes, Stall],
        Changes
    ),
    rule!(
        batches::whole,
        "batch",
        "A batch arrives in order, is answered as one, and a second answer to it settles no other.",
        [Batch],
        Batches
    ),
    rule!(
        batches::items,
        "batch_items",
        "Events of a batch are answered apart: the batch repeats from the event that is asked for again.",
        [Batch, BatchItems, Retry],
        Batches
    ),
    rule!(
        schemas::options,
        "options_schema",
        "The schema of the options is a JSON Schema, and validate refuses what it refuses and nothing else.",
        []
    ),
    rule!(
        schemas::config,
        "config_schema",
        "The schema of the configuration is a JSON Schema with a description of each key; the defaults are accepted, and an unknown key is refused by its name.",
        []
    ),
    rule!(
        secrets::never_shown,
        "secrets",
        "An option that is writeOnly is shown nowhere: not in the status, an error, a reason, a report or a log.",
        [],
        Secrets
    ),
    rule!(
        trouble::panics,
        "panics",
        "No call makes it panic, also for connections and deliveries that it does not know, and what it does not know changes nothing; the panics of its neighbour do it no harm.",
        []
    ),
    rule!(
        stopping::shutdown,
        "shutdown",
        "It stops in time with connections open and deliveries unanswered, and those come again after the start.",
        []
    ),
    rule!(
        stopping::after_shutdown,
        "after_shutdown",
        "After it has stopped, a call takes nothing and does no harm, in either direction.",
        []
    ),
];

/// The names of all rules, as [`transport_suite!`](crate::transport_suite) makes tests of them.
pub const NAMES: &[&str] = &crate::transport_suite!(@list names []);

/// Makes a test of each rule, for what a function returns as the [`Subject`](crate::transport::Subject).
///
/// ```text
/// fn subject() -> Subject { … }
/// photinus_conformance::transport_suite!(subject);
/// ```
#[macro_export]
macro_rules! transport_suite {
    (@list $what:ident [$($subject:path)?]) => {
        $crate::transport_suite! { @$what [$($subject)?]
            order gaps
            retry park skip reply
            late_after_rewind late_after_ack_timeout late_after_change
            busy failed_hand_over never_blocks
            takeover after_closed matcher replaced_list
            ephemeral_life ephemeral_refused
            changes changes_refused changes_dropped
            batch batch_items
            options_schema config_schema secrets
            panics shutdown after_shutdown
        }
    };
    (@names [] $($rule:ident)*) => {
        [$(stringify!($rule)),*]
    };
    (@tests [$subject:path] $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::transport::check($subject, stringify!($rule));
            }
        )*
    };
    ($subject:path) => {
        $crate::transport_suite! { @list tests [$subject] }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_a_test() {
        let names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names, NAMES);
    }
}
