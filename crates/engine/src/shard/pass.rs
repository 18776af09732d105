//! How do those that have read everything hear of what is new?
//!
//! For each namespace one *pass* goes along the log, and holds each event against the filters of all of them at
//! once. A dispatcher that has read everything is *live*: it stands in the matcher of its namespace, and nothing is
//! done for it while events pass that it does not want. It stays live with a full window, up to the first event for
//! which it has no room; from there on it reads by itself until it has caught up.
//!
//! ```text
//!                         pass
//!                          ▼
//!  ──────────────┬─────────┬──────────▶ log
//!          read by a live  │ nobody has looked at this
//!          dispatcher itself; what follows up to the pass
//!          did not match, and it need not know
//! ```
//!
//! So a live dispatcher has read up to where the pass is, or further, whatever it says itself. Whoever looks at its
//! position brings it up to date first ([`Shard::bring_up`]).

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use photinus_contract::{Namespace, Sequence, SubscriptionId};
use photinus_dispatch::{EventMatcher, Input, Instant, Place, Room};

use super::actives::ById;
use super::feed::{Fed, Meal, Portion, give_keys};
use super::{EVENTS_PER_TURN, Shard};
use crate::namespaces::NamespaceState;
use crate::tail::Piece;

/// The pass over the log of one namespace.
pub(super) struct Pass {
    namespace: Arc<NamespaceState>,
    /// Those that are live, and some that were: one that is found and is not live leaves.
    matcher: EventMatcher<SubscriptionId>,
    /// Everything up to here was held against the matcher, or nobody is in it.
    to: Sequence,
    /// The same, for those who count.
    shown: Arc<AtomicI64>,
    /// There can be something new in the log.
    is_due: bool,
    /// What comes next is being read.
    is_waiting: bool,
    /// The page that it has waited for.
    page: Option<Piece>,
    /// Where it was when the positions of all live ones were last to be written.
    flushed_to: Sequence,
}

/// What a live dispatcher gets of a piece.
struct Share {
    id: SubscriptionId,
    portion: Portion,
}

impl Pass {
    fn new(namespace: Arc<NamespaceState>, to: Sequence) -> Self {
        Self {
            namespace,
            matcher: EventMatcher::new(),
            to,
            shown: Arc::new(AtomicI64::new(to.0)),
            is_due: false,
            is_waiting: false,
            page: None,
            flushed_to: to,
        }
    }

    fn move_to(&mut self, to: Sequence) {
        self.to = to;
        self.shown.store(to.0, Ordering::Release);
    }

    /// Nobody is in it: it goes on wherever the first one comes.
    fn begin_at(&mut self, to: Sequence) {
        self.move_to(to);
        self.flushed_to = to;
        self.is_waiting = false;
    }
}

impl Shard {
    /// Whether somebody who has read so far can leave the rest to the pass.
    pub(super) fn is_passed(&self, namespace: &Namespace, read_to: Sequence) -> bool {
        let pass = self.passes.get(namespace);
        pass.is_some_and(|pass| !pass.matcher.is_empty() && pass.to <= read_to)
    }

    /// Whether the pass has seen what somebody who has read so far has not.
    pub(super) fn is_missed(&self, namespace: &Namespace, read_to: Sequence) -> bool {
        let pass = self.passes.get(namespace);
        pass.is_some_and(|pass| !pass.matcher.is_empty() && pass.to > read_to)
    }

    /// A dispatcher has read everything.
    pub(super) fn go_live(&mut self, id: SubscriptionId) {
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        let (spec, Some(running)) = active.parts() else {
            return;
        };
        let read_to = running.dispatcher.read_to();
        let name = &spec.namespace.info.name;
        if !self.passes.contains_key(name) {
            let pass = Pass::new(spec.namespace.clone(), read_to);
            self.passes.insert(name.clone(), pass);
        }
        let Some(pass) = self.passes.get_mut(name) else {
            return;
        };
        if pass.matcher.is_empty() {
            // Not behind the head, where one begins that waits for a sequence to come: others have not read so far.
            pass.begin_at(read_to.min(pass.namespace.tail.head()));
        }
        if pass.to > read_to {
            // It would miss what is between. While the engine stops, nothing more is read for it.
            return;
        }
        running.live = true;
        self.pass_due |= pass.is_due;
        if running.place.is_none() {
            running.place = Some(pass.matcher.insert(id, &spec.filter));
        }
        if !spec.subscription.ephemeral && running.dispatcher.offset() == read_to {
            spec.metrics.follow(&pass.shown);
        }
    }

    /// Tells a live dispatcher how far it has read by now.
    pub(super) fn bring_up(&mut self, id: SubscriptionId) {
        let now = self.now();
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        let (spec, Some(running)) = active.parts() else {
            return;
        };
        if !running.live {
            return;
        }
        let pass = self.passes.get(&spec.namespace.info.name);
        let through = pass.map_or(Sequence::OLDEST, |pass| pass.to);
        if through > running.dispatcher.read_to() {
            let events = Vec::new();
            let input = Input::Events { events, through };
            running.dispatcher.handle(now, input);
        }
    }

    /// Something happens to a dispatcher: from now on it reads by itself.
    pub(super) fn leave_live(&mut self, id: SubscriptionId) {
        self.bring_up(id);
        if let Some(active) = self.active.get_mut(&id)
            && let (spec, Some(running)) = active.parts()
            && std::mem::take(&mut running.live)
        {
            spec.metrics.unfollow(running.dispatcher.offset());
        }
    }

    /// A dispatcher ends.
    pub(super) fn leave_pass(&mut self, namespace: &Namespace, place: Place) {
        if let Some(pass) = self.passes.get_mut(namespace) {
            pass.matcher.remove(place);
        }
    }

    /// There can be something new in all logs.
    pub(super) fn tails_moved(&mut self) {
        for pass in self.passes.values_mut() {
            pass.is_due = true;
            self.pass_due = true;
        }
    }

    /// The page that goes on here was read. Without one it has to be asked for again.
    pub(super) fn page_came(
        &mut self,
        namespace: &Namespace,
        after: Sequence,
        piece: Option<&Piece>,
    ) {
        if let Some(pass) = self.passes.get_mut(namespace)
            && pass.is_waiting
            && pass.to == after
        {
            pass.is_waiting = false;
            pass.is_due = true;
            pass.page = piece.cloned();
            self.pass_due = true;
        }
    }

    /// The positions of all are being written.
    pub(super) fn passes_flushed(&mut self) {
        for pass in self.passes.values_mut() {
            pass.flushed_to = pass.to;
        }
    }

    /// Lets all passes go on that can.
    pub(super) fn advance_passes(&mut self) {
        if !std::mem::take(&mut self.pass_due) {
            return;
        }
        // They stand apart meanwhile: what they do touches the rest of the shard.
        let mut passes = std::mem::take(&mut self.passes);
        for pass in passes.values_mut() {
            if pass.is_due && !pass.is_waiting {
                pass.is_due = false;
                self.advance(pass);
                self.flush_passed(pass);
                self.pass_due |= pass.is_due;
            }
        }
        let remembered: usize = passes.values().map(|pass| pass.matcher.remembered()).sum();
        if remembered > self.core.config.remembered_bytes_max() {
            passes.values_mut().for_each(|pass| pass.matcher.forget());
        }
        self.passes = passes;
    }

    fn advance(&mut self, pass: &mut Pass) {
        let mut looked_at = 0;
        while !pass.matcher.is_empty() {
            let page = pass.page.take();
            match self.page_or_piece(page, &pass.namespace, pass.to) {
                Ok(piece) => looked_at += self.pass_piece(pass, &piece),
                Err(Meal::Waiting(..)) => {
                    pass.is_waiting = true;
                    return;
                }
                Err(_) => return,
            }
            if looked_at > EVENTS_PER_TURN {
                pass.is_due = true;
                return;
            }
        }
    }

    /// Gives those that are live what they want of a piece. Returns how many events were looked at.
    fn pass_piece(&mut self, pass: &mut Pass, piece: &Piece) -> usize {
        let now = self.now();
        let (mut looked_at, mut matched) = (0, 0);
        let mut shares: Vec<Share> = Vec::new();
        let mut share_of: ById<usize> = ById::default();
        let mut found = std::mem::take(&mut self.found);
        for event in piece.events_after(pass.to) {
            looked_at += 1;
            pass.matcher.matches(&event, &mut found);
            if found.is_empty() {
                continue;
            }
            let size = event.size();
            for id in found.drain(..) {
                let share = match share_of.entry(id) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => match self.share(pass, id, event.sequence()) {
                        Some(share) => {
                            shares.push(share);
                            *new.insert(shares.len() - 1)
                        }
                        None => continue,
                    },
                };
                matched += usize::from(shares[share].portion.offer(&event, size));
            }
        }
        self.found = found;
        self.note_fed(looked_at, matched);
        for Share { id, portion } in shares {
            self.serve(now, id, portion, piece.through);
        }
        pass.move_to(piece.through);
        looked_at
    }

    /// What a dispatcher that was found can take. One that is not live any more reads by itself and leaves.
    fn share(&mut self, pass: &mut Pass, id: SubscriptionId, found: Sequence) -> Option<Share> {
        let window_bytes_max = self.core.config.window_bytes_max.get();
        let (spec, running) = self.active.get_mut(&id)?.parts();
        let running = running?;
        if !running.live {
            if let Some(place) = running.place.take() {
                pass.matcher.remove(place);
            }
            return None;
        }
        if running.dispatcher.read_to() >= found {
            return None;
        }
        // From now on it has something that is not settled.
        let read_to = pass.to.max(running.dispatcher.read_to());
        if running.dispatcher.offset() == running.dispatcher.read_to() {
            spec.metrics.unfollow(read_to);
        }
        let nothing = Room {
            after: read_to,
            events: 0,
            bytes: 0,
        };
        let room = running.dispatcher.room().unwrap_or(nothing);
        let portion = Portion::new(room, window_bytes_max);
        Some(Share { id, portion })
    }

    /// Gives a live dispatcher its share of a piece that ends at `through`.
    fn serve(&mut self, now: Instant, id: SubscriptionId, portion: Portion, through: Sequence) {
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        let (start, wants_data) = (active.start, active.wants_data());
        let (spec, Some(running)) = active.parts() else {
            return;
        };
        let room = portion.room();
        running.live = portion.has_all();
        let fed = portion.end(through);
        if wants_data && !fed.events.is_empty() {
            running.live = false;
            running.loading = true;
            let wanted = spec.values_wanted();
            self.load(id, start, fed, room, wanted);
            return;
        }
        let Fed {
            mut events,
            through,
        } = fed;
        give_keys(&mut events, &spec.subscription.options);
        let input = Input::Events { events, through };
        running.dispatcher.handle(now, input);
        self.wake(id);
    }

    /// Notes that the positions of live ones have moved. They are written together, after a while or so many events.
    fn flush_passed(&mut self, pass: &mut Pass) {
        if self.stored.is_empty() {
            return;
        }
        let (now, config) = (self.now(), &self.core.config);
        let passed = pass.to.0.abs_diff(pass.flushed_to.0);
        let wait = match passed < config.idle_offset_events_max {
            true => config.idle_offset_flush(),
            false => {
                pass.flushed_to = pass.to;
                config.offset_flush()
            }
        };
        if passed > 0 {
            self.saves.passed(now.after(wait));
        }
    }
}
