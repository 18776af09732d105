//! Does every retry policy that a subscription may have give delays within its limits?

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use photinus_contract::SubscriptionOptions;
use photinus_contract::retry::{DELAY_MAX, DELAYS_MAX, Delays, FACTOR_MAX};
use photinus_dispatch::delay;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Texts of durations: sound ones, longer ones than are allowed, and others.
fn duration() -> impl Strategy<Value = Value> {
    let unit = prop::sample::select(vec!["", "ns", "us", "ms", "s", "m", "h"]);
    let short = (0u64..200, unit.clone()).prop_map(|(n, unit)| json!(format!("{n}{unit}")));
    let long = (any::<u64>(), unit).prop_map(|(n, unit)| json!(format!("{n}{unit}")));
    prop_oneof![
        12 => short,
        4 => Just(json!("1ns")),
        1 => long,
        1 => prop::sample::select(vec![json!(null), json!(""), json!("-1s"), json!(5), json!([])]),
    ]
}

/// Numbers, most of them within bounds.
fn number(least: f64, most: f64) -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => (least..least + 0.1).prop_map(Value::from),
        8 => (least..most).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(json!("2")),
    ]
}

fn delays() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::collection::vec(duration(), 0..4),
        prop::collection::vec(Just(json!("1s")), 0..DELAYS_MAX + 2),
    ]
    .prop_map(Value::from)
}

fn policy() -> impl Strategy<Value = Map<String, Value>> {
    let attempts = prop_oneof![
        (0u64..5).prop_map(Value::from),
        any::<i64>().prop_map(Value::from)
    ];
    let then = prop::sample::select(vec![
        json!("hold"),
        json!("park"),
        json!("skip"),
        json!("drop"),
    ]);
    let field = |name: &'static str, value: BoxedStrategy<Value>| {
        prop::option::of(value).prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    let growing = (
        field("initialDelay", duration().boxed()),
        field("maxDelay", duration().boxed()),
        field("factor", number(1.0, FACTOR_MAX).boxed()),
        field("jitter", number(0.0, 1.0).boxed()),
    );
    let growing = growing.prop_map(|(a, b, c, d)| vec![a, b, c, d]);
    let listed = field("delays", delays().boxed()).prop_map(|delays| vec![delays]);
    let both = (growing.clone(), listed.clone()).prop_map(|(a, b)| [a, b].concat());
    let rest = (
        field("maxAttempts", attempts.boxed()),
        field("maxAge", duration().boxed()),
        field("then", then.boxed()),
    );
    (prop_oneof![8 => growing, 4 => listed, 1 => both], rest)
        .prop_map(|(some, (a, b, c))| some.into_iter().chain([a, b, c]).flatten().collect())
}

/// Checks the delays after so many failures, and the next.
fn check(delays: &Delays, failures: u32, seed: u64) {
    let found = delay(delays, failures, seed);
    match delays {
        Delays::Listed(listed) => {
            assert!((1..=DELAYS_MAX).contains(&listed.len()));
            let place = (failures.saturating_sub(1) as usize).min(listed.len() - 1);
            assert_eq!(found, listed[place]);
            assert!(found <= DELAY_MAX);
        }
        &Delays::Growing {
            initial,
            max,
            factor_permille,
            jitter_permille,
        } => {
            assert!(initial <= max && max <= DELAY_MAX);
            assert!((1_000..=100_000).contains(&factor_permille) && jitter_permille <= 1_000);
            let unspread = Delays::Growing {
                initial,
                max,
                factor_permille,
                jitter_permille: 0,
            };
            let base = delay(&unspread, failures, seed);
            assert!((initial..=max).contains(&base));
            let next = delay(&unspread, failures.saturating_add(1), seed);
            assert!(next >= base, "delays grow");
            assert!(
                base.is_zero()
                    || base == max
                    || factor_permille == 1_000
                    || next > base
                    || failures == u32::MAX
            );
            let least = base * (1_000 - jitter_permille) / 1_000;
            let most = base * (1_000 + jitter_permille) / 1_000;
            let unit = Duration::from_nanos(1);
            assert!(
                (least..=most + unit).contains(&found),
                "{found:?} of {base:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn a_policy_that_is_taken_gives_delays_within_its_limits_and_comes_out_as_it_went_in(
        given in policy(),
        failures in prop_oneof![1u32..50, any::<u32>()],
        seed: u64,
    ) {
        let options = json!({"retryPolicy": given});
        let options: SubscriptionOptions = serde_json::from_value(options).unwrap();
        match options.policy() {
            Ok(policy) => {
                check(&policy.delays, failures, seed);
                prop_assert!(policy.attempts_max != Some(0));
                prop_assert!(policy.age_max != Some(Duration::ZERO));
            }
            Err(error) => {
                let text = error.to_string();
                let field = given.keys().any(|field| text.contains(&format!("'retryPolicy.{field}'")));
                prop_assert!(error.status() == 400 && field, "{}", text);
                prop_assert!(["FF00137", "PH00444"].contains(&error.code()));
            }
        }
        let written = serde_json::to_value(&options).unwrap();
        let mut shown = given;
        shown.retain(|_, value| !value.is_null());
        prop_assert_eq!(&written, &json!({"retryPolicy": shown}));
        let again: SubscriptionOptions = serde_json::from_value(written).unwrap();
        prop_assert_eq!(again, options);
    }
}
