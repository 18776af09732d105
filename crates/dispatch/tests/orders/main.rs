//! Do keys, policies and replays keep what they promise, whatever happens?
//!
//! A world knows no windows, lanes or queues. It knows what is settled, what is parked and what is with the application,
//! looks at every delivery, and at the end lets everything through and looks whether something is missing.

mod enumerated;
mod world;

use photinus_contract::retry::Then;
use proptest::prelude::*;

use world::{How, Setup, World};

#[derive(Clone, Debug)]
enum Step {
    Feed(usize),
    Deliver,
    Refuse(bool),
    Answer(usize, How),
    Written(usize, bool),
    Pass(u64),
    Mark,
    ReadReplays(usize),
    Discard(usize),
    Reconnect,
    Save,
    Restart,
}

fn setup() -> impl Strategy<Value = Setup> {
    let attempts = prop_oneof![Just(None), (1u32..4).prop_map(Some)];
    let then = prop_oneof![Just(Then::Hold), Just(Then::Park), Just(Then::Skip)];
    (0u16..5, any::<bool>(), attempts, then).prop_map(|(read_ahead, keyed, attempts_max, then)| {
        Setup {
            read_ahead,
            keyed,
            attempts_max,
            then,
            end: 200,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        6 => Just(How::Acknowledge), 1 => Just(How::Reply), 4 => Just(How::Fail),
        1 => Just(How::NotCounted), 1 => Just(How::Skip), 3 => Just(How::Park),
    ];
    prop_oneof![
        3 => (1usize..6).prop_map(Step::Feed),
        12 => Just(Step::Deliver),
        1 => any::<bool>().prop_map(Step::Refuse),
        10 => (any::<usize>(), how).prop_map(|(which, how)| Step::Answer(which, how)),
        6 => (any::<usize>(), prop::bool::weighted(0.9))
            .prop_map(|(which, stored)| Step::Written(which, stored)),
        4 => (0u64..4).prop_map(Step::Pass),
        2 => Just(Step::Mark),
        3 => (1usize..4).prop_map(Step::ReadReplays),
        1 => any::<usize>().prop_map(Step::Discard),
        1 => Just(Step::Reconnect),
        2 => Just(Step::Save),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_settled_in_its_order_or_parked(
        setup in setup(),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut world = World::new(setup);
        for step in steps {
            match step {
                Step::Feed(events) => world.feed(events),
                Step::Deliver => world.deliver(),
                Step::Refuse(failed) => world.refuse(failed),
                Step::Answer(which, how) => world.answer(which, how),
                Step::Written(which, stored) => world.written(which, stored),
                Step::Pass(seconds) => world.pass(seconds),
                Step::Mark => world.mark(),
                Step::ReadReplays(entries) => world.read_replays(entries),
                Step::Discard(which) => world.discard(which),
                Step::Reconnect => world.reconnect(),
                Step::Save => world.save(),
                Step::Restart => world.restart(),
            }
            world.check();
        }
        world.finish();
    }
}

/// Chance finds this rarely: the entry of a replay that is acknowledged above a gap stays until the gap is filled, because
/// a rewind or a restart needs it again.
#[test]
fn a_replay_that_is_acknowledged_above_a_gap_keeps_its_entry() {
    let setup = Setup {
        read_ahead: 4,
        keyed: false,
        attempts_max: None,
        then: Then::Hold,
        end: 10,
    };
    let mut world = World::new(setup);
    world.feed(3);
    (0..3).for_each(|_| world.deliver());
    (0..3).for_each(|_| world.answer(0, How::Park));
    (0..3).for_each(|_| world.written(0, true));
    world.check();
    world.mark();
    world.read_replays(4);
    (0..3).for_each(|_| world.deliver());
    world.answer(1, How::Acknowledge);
    world.check();
    // What is to be written, and that it is.
    world.save();
    world.save();
    world.answer(0, How::Fail);
    world.check();
    world.restart();
    world.check();
    world.finish();
}
