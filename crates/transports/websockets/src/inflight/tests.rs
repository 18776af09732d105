//! Does an answer find the delivery that it means?

use super::*;
use photinus_contract::{Namespace, SubscriptionFilter, SubscriptionOptions, Timestamp};

fn subscription(n: u128) -> Arc<Subscription> {
    Arc::new(Subscription::new(
        SubscriptionId(Uuid::from_u128(n)),
        Namespace::new("ns"),
        "name",
        "websockets",
        SubscriptionFilter::default(),
        SubscriptionOptions::default(),
        Timestamp::from_nanos(0),
    ))
}

fn entry(of: u128, answer: u128, delivery: u64) -> Entry<()> {
    Entry {
        answer: Uuid::from_u128(answer),
        subscription: subscription(of),
        delivery: DeliveryId::new(1, delivery),
        content: (),
    }
}

fn written(entries: &[(u128, u128, u64)]) -> Unanswered<()> {
    let mut unanswered = Unanswered::new(3);
    for (of, answer, delivery) in entries {
        let place = unanswered.push(entry(*of, *answer, *delivery));
        assert!(unanswered.write(place));
    }
    unanswered
}

fn void(unanswered: &mut Unanswered<()>, of: u128, delivery: u64, reason: VoidReason) -> bool {
    let id = SubscriptionId(Uuid::from_u128(of));
    unanswered
        .void(id, DeliveryId::new(1, delivery), reason)
        .is_some()
}

fn number(entry: Option<Entry<()>>) -> Option<u64> {
    entry.map(|entry| entry.delivery.number())
}

fn take(unanswered: &mut Unanswered<()>, answer: u128) -> Option<u64> {
    number(unanswered.take(Uuid::from_u128(answer), None, &|_| true))
}

#[test]
fn an_answer_takes_the_oldest_that_fits() {
    let mut unanswered = written(&[(1, 10, 1), (2, 10, 2), (1, 11, 3), (1, 10, 4)]);
    let second = SubscriptionId(Uuid::from_u128(2));
    let id = Uuid::from_u128(10);
    assert_eq!(
        number(unanswered.take(id, None, &|s| s.id == second)),
        Some(2)
    );
    let named = Some(DeliveryId::new(1, 4));
    assert_eq!(number(unanswered.take(id, named, &|_| true)), Some(4));
    assert_eq!(number(unanswered.take(id, named, &|_| true)), None);
    assert_eq!(number(unanswered.take_oldest()), Some(1));
    let third = DeliveryId::new(1, 3);
    assert_eq!(
        number(unanswered.take_delivery(third, &|s| s.id == second)),
        None
    );
    assert_eq!(number(unanswered.take_delivery(third, &|_| true)), Some(3));
    assert_eq!(number(unanswered.take_oldest()), None);
    assert!(unanswered.entries.is_empty() && unanswered.holes == 0);
}

#[test]
fn what_is_not_written_is_not_there_for_answers() {
    let mut unanswered = written(&[(1, 10, 1)]);
    let place = unanswered.push(entry(1, 11, 2));
    assert_eq!(take(&mut unanswered, 11), None);
    assert_eq!(number(unanswered.take_oldest()), Some(1));
    assert_eq!(number(unanswered.take_oldest()), None);
    assert!(unanswered.write(place));
    assert_eq!(take(&mut unanswered, 11), Some(2));
    let place = unanswered.push(entry(1, 12, 3));
    assert!(!void(&mut unanswered, 1, 3, VoidReason::AckTimeout));
    assert!(!unanswered.write(place));
    assert!(unanswered.entries.is_empty());
}

#[test]
fn a_voided_delivery_keeps_its_place_unless_its_time_ran_out() {
    let mut unanswered = written(&[(1, 10, 1), (1, 10, 2), (1, 10, 3)]);
    assert!(!void(&mut unanswered, 1, 1, VoidReason::Rewound));
    assert!(void(&mut unanswered, 1, 2, VoidReason::AckTimeout));
    assert!(
        !void(&mut unanswered, 2, 3, VoidReason::AckTimeout),
        "of another"
    );
    assert!(
        !void(&mut unanswered, 1, 9, VoidReason::AckTimeout),
        "unknown"
    );
    assert_eq!(take(&mut unanswered, 10), Some(1));
    assert_eq!(take(&mut unanswered, 10), Some(3));
    assert_eq!(
        (take(&mut unanswered, 10), unanswered.voided_count),
        (None, 0)
    );
}

#[test]
fn voided_deliveries_are_bounded_and_current_ones_are_not() {
    let mut unanswered = written(&[(1, 0, 100)]);
    for n in 1..=10 {
        let place = unanswered.push(entry(1, u128::from(n), n));
        unanswered.write(place);
        void(&mut unanswered, 1, n, VoidReason::Reset);
        void(&mut unanswered, 1, n, VoidReason::Rewound);
    }
    assert_eq!(unanswered.voided_count, 3);
    let left: Vec<_> = unanswered
        .drain_written()
        .map(|e| e.delivery.number())
        .collect();
    assert_eq!(left, [100, 8, 9, 10]);
}

#[test]
fn many_subscriptions_share_a_bound() {
    let mut unanswered = Unanswered::new(3);
    for n in 1..=100 {
        unanswered.push_voided(entry(u128::from(n % 20), u128::from(n), n));
    }
    assert!(unanswered.voided_count <= 3 * TOTAL_FACTOR);
    let live = unanswered.entries.len() - unanswered.holes;
    assert_eq!(live, unanswered.voided_count);
    assert_eq!(
        unanswered.voided.values().map(BTreeSet::len).sum::<usize>(),
        12
    );
    let one = SubscriptionId(Uuid::from_u128(1));
    let mut last = 0;
    while let Some(next) = number(unanswered.take_oldest_voided(&|s| s.id == one)) {
        assert!(last < next && next % 20 == 1);
        last = next;
    }
}

/// The same in a few lines: a list that is searched from its beginning.
#[derive(Default)]
struct Plain(Vec<(u64, u128, u64)>);

impl Plain {
    fn take(&mut self, fits: impl Fn(&(u64, u128, u64)) -> bool) -> Option<u64> {
        let index = self.0.iter().position(fits)?;
        Some(self.0.remove(index).2)
    }
}

#[test]
fn answers_in_any_order_find_what_a_list_finds() {
    let mut random = 7u64;
    let mut below = |max: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % max
    };
    // In order, nearly so, and not at all; the more are unanswered, the more are looked for by the index.
    for (unanswered_max, ahead) in [(10, 1), (300, 1), (300, 3), (1_000, 1_000), (1_000, 200)] {
        let mut unanswered = Unanswered::new(5_000);
        let mut plain = Plain::default();
        let mut delivery = 0;
        for _ in 0..6_000 {
            if below(100) < 50 && plain.0.len() < unanswered_max {
                delivery += 1;
                // The same event for several subscriptions, and again.
                let answer = u128::from(delivery - below(4).min(delivery));
                let place = unanswered.push(entry(u128::from(delivery % 3), answer, delivery));
                assert!(unanswered.write(place));
                plain.0.push((place, answer, delivery));
                continue;
            }
            let Some(last) = (plain.0.len() as u64).checked_sub(1) else {
                continue;
            };
            let (place, answer, named) = plain.0[below(last + 1).min(below(ahead)) as usize];
            match below(8) {
                0 => {
                    let named = DeliveryId::new(1, named);
                    let taken = number(unanswered.take_delivery(named, &|_| true));
                    assert_eq!(taken, plain.take(|it| it.0 == place));
                }
                1 => {
                    assert_eq!(number(unanswered.take_oldest()), plain.take(|_| true));
                }
                2 => {
                    let newest = *plain.0.last().unwrap();
                    let gone = void(
                        &mut unanswered,
                        u128::from(newest.2 % 3),
                        newest.2,
                        VoidReason::AckTimeout,
                    );
                    assert!(gone);
                    plain.take(|it| it.0 == newest.0);
                }
                3 => {
                    // It stays, but as one that is voided.
                    void(
                        &mut unanswered,
                        u128::from(named % 3),
                        named,
                        VoidReason::Rewound,
                    );
                }
                _ => {
                    assert_eq!(
                        take(&mut unanswered, answer),
                        plain.take(|it| it.1 == answer)
                    );
                }
            }
            assert_eq!(unanswered.entries.len() - unanswered.holes, plain.0.len());
        }
        plain.0.sort_by_key(|it| it.0);
        let left: Vec<_> = unanswered
            .drain_written()
            .map(|e| e.delivery.number())
            .collect();
        assert_eq!(left, plain.0.iter().map(|it| it.2).collect::<Vec<_>>());
    }
}
