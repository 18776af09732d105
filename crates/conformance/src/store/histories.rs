//! Does a store do what a simple model does, whatever is called in whatever order?

use std::cell::Cell;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use super::model::Model;
use super::quiet::quietly;
use super::{Rig, close_and_open, skipped, words};

const HISTORIES: u32 = 48;
const CALLS_MAX: usize = 80;
const RULE: &str = "random_histories_end_as_the_model_does";

/// A call on a store. Small numbers, so that they meet: they name namespaces, subscriptions, and records by their
/// place in the log.
#[derive(Clone, Debug)]
pub(super) enum Call {
    CreateNamespace(u8),
    Append(Vec<Item>),
    CreateSubscription(u8, u8, To),
    /// Also its pause.
    UpdateSubscription(u8),
    DeleteSubscription(u8),
    Claim(u8),
    Seek(u8, To),
    Commit(Vec<Change>),
    Park(Vec<Change>),
    Replay(u8, Picked),
    Discard(u8, Picked),
    Close,
    Crash,
}

/// A record to be appended.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) namespace: u8,
    /// None makes it a bad one.
    pub(super) events: u8,
    pub(super) large: bool,
    pub(super) key: Option<u8>,
    pub(super) reply: Option<Change>,
    /// The id of a message that is there.
    pub(super) old_id: bool,
}

/// Something that only the owner of a subscription may do, to one event.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) subscription: u8,
    pub(super) stale: bool,
    pub(super) index: u8,
    /// A position takes the entry of this event with it.
    pub(super) unparked: Option<u8>,
    /// A position counts failed replays from this event on; an entry is marked; a reply is that of a replay.
    pub(super) replayed: Option<u8>,
}

/// Which entries are meant: events by their place in the log.
#[derive(Clone, Debug)]
pub(super) enum Picked {
    All,
    Events(Vec<u8>),
    Range(u8, u8),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    Oldest,
    Newest,
    After(u8),
}

fn to() -> impl Strategy<Value = To> {
    prop_oneof![
        2 => Just(To::Oldest),
        1 => Just(To::Newest),
        2 => (0..8u8).prop_map(To::After),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let entry = || weighted(0.5, 0..8u8);
    (0..3u8, prop::bool::weighted(0.2), 0..8u8, entry(), entry()).prop_map(
        |(subscription, stale, index, unparked, replayed)| Change {
            subscription,
            stale,
            index,
            unparked,
            replayed,
        },
    )
}

fn picked() -> impl Strategy<Value = Picked> {
    prop_oneof![
        1 => Just(Picked::All),
        2 => vec(0..10u8, 0..4).prop_map(Picked::Events),
        1 => (0..8u8, 0..8u8).prop_map(|(from, to)| Picked::Range(from, to)),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let events = prop_oneof![1 => Just(0), 12 => 1..4u8];
    let (key, reply) = (weighted(0.4, 0..5u8), weighted(0.4, change()));
    let (large, old_id) = (prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    (0..3u8, events, large, key, reply, old_id).prop_map(
        |(namespace, events, large, key, reply, old_id)| Item {
            namespace,
            events,
            large,
            key,
            reply,
            old_id,
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        1 => (0..3u8).prop_map(Call::CreateNamespace),
        8 => vec(item(), 1..4).prop_map(Call::Append),
        3 => (0..3u8, 0..3u8, to()).prop_map(|(a, b, c)| Call::CreateSubscription(a, b, c)),
        1 => (0..3u8).prop_map(Call::UpdateSubscription),
        1 => (0..3u8).prop_map(Call::DeleteSubscription),
        2 => (0..3u8).prop_map(Call::Claim),
        1 => (0..3u8, to()).prop_map(|(number, to)| Call::Seek(number, to)),
        4 => vec(change(), 1..3).prop_map(Call::Commit),
        4 => vec(change(), 1..3).prop_map(Call::Park),
        2 => (0..3u8, picked()).prop_map(|(number, picked)| Call::Replay(number, picked)),
        1 => (0..3u8, picked()).prop_map(|(number, picked)| Call::Discard(number, picked)),
        1 => Just(Call::Close),
        1 => Just(Call::Crash),
    ]
}

/// Random calls, the same in every run, with closes and crashes in between. A history that fails is made as short
/// as it goes on failing, and shown.
pub fn random_histories_end_as_the_model_does(make: impl Fn() -> Box<dyn Rig>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: HISTORIES,
        failure_persistence: None,
        ..Config::default()
    };
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, seed);
    let closed_instead = Cell::new(false);
    let (outcome, last) = quietly(|| {
        runner.run(&vec(call(), 1..CALLS_MAX), |calls| {
            let mut rig = make();
            if !runtime.block_on(run(&mut *rig, &calls)) {
                closed_instead.set(true);
            }
            Ok(())
        })
    });
    if closed_instead.get() {
        skipped(
            RULE,
            "the rig cannot crash its store; it was closed instead",
        );
    }
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, calls)) => {
            // Its own words have no place.
            let seen = match last.is_empty() {
                true => reason.to_string(),
                false => last,
            };
            panic!("{}\n  {seen}\nafter the calls {calls:#?}", words(RULE));
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// False if the store was closed where it should have crashed.
async fn run(rig: &mut dyn Rig, calls: &[Call]) -> bool {
    let mut store = rig.open();
    let mut model = Model::default();
    let mut crashes = true;
    // Without a namespace nothing happens.
    let first = [Call::CreateNamespace(0), Call::CreateNamespace(1)];
    for call in first.iter().chain(calls) {
        match call {
            Call::Crash if rig.crash() => store = rig.open(),
            Call::Crash | Call::Close => {
                crashes &= matches!(call, Call::Close);
                store = close_and_open(rig, store).await;
            }
            call => {
                model.call(&*store, call).await;
                continue;
            }
        }
        model.compare(&*store).await;
    }
    model.compare(&*store).await;
    crashes
}
