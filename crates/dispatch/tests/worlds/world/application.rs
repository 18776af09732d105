//! What can the application answer?

use std::time::Duration;

use photinus_contract::ConnectionId;
use photinus_dispatch::{Input, Verdict};

use super::{Budget, Fate, World};

impl World {
    /// Each verdict that the budgets allow, with the world that has paid for it.
    pub(super) fn verdicts(&self) -> Vec<(Verdict, World)> {
        let mut all = vec![(Verdict::Acknowledge(None), self.clone())];
        let mut add = |verdict: Verdict, field: fn(&mut Budget) -> &mut u8| {
            let mut world = self.clone();
            let left = field(&mut world.budget);
            if *left > 0 {
                *left -= 1;
                all.push((verdict, world));
            }
        };
        add(Verdict::Acknowledge(Some(Box::default())), |budget| {
            &mut budget.replies
        });
        add(
            Verdict::Retry {
                delay: None,
                counted: true,
                reason: String::new(),
            },
            |budget| &mut budget.retries,
        );
        add(
            Verdict::Retry {
                delay: Some(Duration::ZERO),
                counted: false,
                reason: String::new(),
            },
            |b| &mut b.retries,
        );
        add(
            Verdict::Park {
                reason: String::new(),
            },
            |budget| &mut budget.parks,
        );
        add(Verdict::Skip, |budget| &mut budget.skips);
        add(
            Verdict::Pause(Some(self.now.after(Duration::from_secs(9)))),
            |b| &mut b.pauses,
        );
        all
    }

    /// Every combination of verdicts for a batch, as far as the budgets go.
    pub(super) fn batch_verdicts(&self, items: usize) -> Vec<Vec<Verdict>> {
        let mut all: Vec<(Vec<Verdict>, World)> = vec![(Vec::new(), self.clone())];
        for _ in 0..items {
            all = all
                .into_iter()
                .flat_map(|(verdicts, world)| {
                    world.verdicts().into_iter().map(move |(verdict, world)| {
                        let mut verdicts = verdicts.clone();
                        verdicts.push(verdict);
                        (verdicts, world)
                    })
                })
                .collect();
        }
        all.into_iter().map(|(verdicts, _)| verdicts).collect()
    }

    pub(super) fn answer(&mut self, number: u64, verdict: Verdict) {
        let (sequence, connection) = self.held.remove(&number).expect("it is held");
        let rewinds = self.note(sequence, &verdict);
        let connection = ConnectionId::new(connection.to_string());
        // What is voided by the rewind is heard of through Void actions; what was acknowledged above the
        // offset is silently open again.
        self.tell(Input::Answer {
            connection,
            number,
            verdict,
            items: Vec::new(),
        });
        if rewinds {
            self.rewind();
        }
    }

    pub(super) fn answer_batch(&mut self, number: u64, items: &[(u64, i64)], verdicts: &[Verdict]) {
        self.batch = None;
        let mut rewinds = false;
        for ((_, sequence), verdict) in items.iter().zip(verdicts) {
            self.pay(verdict);
            rewinds |= self.note(*sequence, verdict);
        }
        // The last verdict is the frame's own; the others are named.
        let (default, named) = verdicts.split_last().expect("batches are never empty");
        let named = items
            .iter()
            .map(|(item, _)| *item)
            .zip(named.iter().cloned())
            .collect();
        let connection = self.id();
        self.tell(Input::Answer {
            connection,
            number,
            verdict: default.clone(),
            items: named,
        });
        if rewinds {
            self.rewind();
        }
    }

    pub(super) fn pay(&mut self, verdict: &Verdict) {
        let left = match verdict {
            Verdict::Acknowledge(None) => return,
            Verdict::Acknowledge(Some(_)) => &mut self.budget.replies,
            Verdict::Retry { .. } => &mut self.budget.retries,
            Verdict::Park { .. } => &mut self.budget.parks,
            Verdict::Skip => &mut self.budget.skips,
            Verdict::Pause(_) => &mut self.budget.pauses,
        };
        *left -= 1;
    }

    /// Notes what a verdict does to its event; true if it makes the subscription go back.
    pub(super) fn note(&mut self, sequence: i64, verdict: &Verdict) -> bool {
        let fate = match verdict {
            // Not settled before the write, but also not to be delivered again without a rewind.
            Verdict::Acknowledge(_) => Fate::Acknowledged,
            Verdict::Park { .. } | Verdict::Skip => Fate::Gone,
            Verdict::Retry { counted, .. } => {
                *self.failures.entry(sequence).or_default() += u32::from(*counted);
                Fate::Open
            }
            Verdict::Pause(_) => Fate::Open,
        };
        self.fates.insert(sequence, fate);
        fate == Fate::Open
    }

    /// Acknowledgements above the offset are open again, and replies under way with them.
    pub(super) fn rewind(&mut self) {
        let offset = self.dispatcher.offset().0;
        for (_, fate) in self.fates.range_mut(offset + 1..) {
            if *fate == Fate::Acknowledged {
                *fate = Fate::Open;
            }
        }
        for write in self.writing.values_mut() {
            write.is_current &= !write.is_reply;
        }
    }
}
