//! What do the answers of a connection change?
//!
//! They come in runs, and those to one subscription mostly follow each other: it is looked up, counted and woken once
//! for all of them.

use photinus_contract::{ConnectionId, Response, Timestamp};
use photinus_dispatch::{Input, Instant};

use super::active::{Active, Phase, Running};
use super::observe::Tally;
use super::{Shard, perform};

impl Shard {
    pub(super) fn answers(&mut self, connection: &ConnectionId, responses: Vec<Response>) {
        let now = self.now();
        let wall = self.core.clock.now();
        let mut responses = responses.into_iter().peekable();
        while let Some(first) = responses.next() {
            let id = first.subscription;
            // Of one that has ended, or does not run yet, nothing is current.
            let Some(Active { spec, phase, .. }) = self.active.get_mut(&id).map(Box::as_mut) else {
                continue;
            };
            let Phase::Running(running) = phase else {
                continue;
            };
            let mut tally = Tally::default();
            let mut next = Some(first);
            while let Some(response) = next {
                tally.note(now, spec, running, connection, &response);
                answer(running, now, wall, connection, response);
                next = responses.next_if(|response| response.subscription == id);
            }
            tally.count(now, spec);
            self.wake(id);
        }
    }
}

fn answer(
    running: &mut Running,
    now: Instant,
    wall: Timestamp,
    connection: &ConnectionId,
    response: Response,
) {
    let epoch = running.epoch;
    // An answer to a delivery of a former owner is late by definition.
    let number = match response.delivery.epoch() == epoch {
        true => response.delivery.number(),
        false => 0,
    };
    let items = response
        .items
        .into_iter()
        .filter(|(item, _)| item.epoch() == epoch)
        .map(|(item, outcome)| (item.number(), perform::verdict(outcome, now, wall)))
        .collect();
    let verdict = perform::verdict(response.outcome, now, wall);
    running.dispatcher.handle(
        now,
        Input::Answer {
            connection: connection.clone(),
            number,
            verdict,
            items,
        },
    );
}
