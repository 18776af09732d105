//! What do the answers of a connection change?
//!
//! They come in runs, and those to one subscription mostly follow each other: it is looked up, counted and woken once
//! for all of them.

use photinus_contract::store::Pause;
use photinus_contract::{ConnectionId, Outcome, Response, Timestamp};
use photinus_dispatch::{Input, Instant};

use super::active::{Active, Phase, Running};
use super::observe::Tally;
use super::{Shard, paused, perform};
use crate::pause::shortened;

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
            let mut pause = None;
            while let Some(response) = next {
                tally.note(now, spec, running, connection, &response);
                pause = answer(running, now, wall, connection, response).or(pause);
                next = responses.next_if(|response| response.subscription == id);
            }
            tally.count(now, spec);
            if let Some(pause) = pause.filter(|_| !spec.subscription.ephemeral) {
                self.pause_asked_for(id, pause);
            }
            self.wake(id);
        }
    }
}

/// Gives an answer to the dispatcher. The pause that it has begun, if it has.
fn answer(
    running: &mut Running,
    now: Instant,
    wall: Timestamp,
    connection: &ConnectionId,
    response: Response,
) -> Option<Pause> {
    let epoch = running.epoch;
    // An answer to a delivery of a former owner is late by definition.
    let number = match response.delivery.epoch() == epoch {
        true => response.delivery.number(),
        false => 0,
    };
    note_trouble(running, connection, number, &response);
    let asked = paused::reason(&response).map(|reason| (reason, running.dispatcher.pause()));
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
    let (reason, before) = asked?;
    match running.dispatcher.pause() == before {
        true => None,
        false => paused::noted(&running.dispatcher, reason, now, wall),
    }
}

/// Keeps why an event comes again, for whoever asks why the subscription holds.
fn note_trouble(
    running: &mut Running,
    connection: &ConnectionId,
    number: u64,
    response: &Response,
) {
    let items = response.items.iter().map(|(_, outcome)| outcome);
    let mut outcomes = std::iter::once(&response.outcome).chain(items);
    let trouble = outcomes.find_map(|outcome| match outcome {
        Outcome::Retry { reason, .. } => Some(reason),
        _ => None,
    });
    if let Some(reason) = trouble
        && running.dispatcher.current(number, connection).is_some()
    {
        running.trouble = Some(shortened(reason).into());
    }
}
