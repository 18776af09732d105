//! What drives the dispatchers?
//!
//! A shard is one task that owns many of them: it feeds them from the tail or from pages, and performs what they
//! ask for. It is the one place where an action becomes I/O. Everything reaches it through one mailbox.

mod active;
mod actives;
mod answers;
mod feed;
mod hand_over;
mod mail;
mod mailbox;
mod observe;
mod pass;
mod paused;
mod perform;
mod replays;
mod save;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use photinus_contract::transport::ConnectionState;
use photinus_contract::{ConnectionId, Namespace, Sequence, SubscriptionId};
use photinus_dispatch::{DispatcherConfig, Input, Instant};
use tracing::{info, warn};

use self::active::{Phase, Running};
use self::actives::Actives;
pub(crate) use self::mail::{Mail, Origin, Spec};
pub(crate) use self::mailbox::ShardHandle;
use self::mailbox::{Mailbox, Received};
pub(crate) use self::observe::{Serving, Standing};
use self::pass::Pass;
use crate::core::Core;
use crate::pause::shortened;
use crate::tail::Piece;

/// How many events one dispatcher may look at before the others get their turn.
const EVENTS_PER_TURN: usize = 1_024;
/// How many dispatchers run between two looks into the mailbox.
const RUNS_PER_TURN: usize = 64;

/// For how many there is room in the queue of those that can run while there is nothing to do.
const RUNNABLE_IDLE: usize = 1_024;

/// The mailboxes of shards that are to be started.
pub(crate) fn mailboxes(count: usize) -> Vec<ShardHandle> {
    (0..count.max(1))
        .map(|_| ShardHandle::new(Arc::new(Mailbox::default())))
        .collect()
}

/// Runs a shard until it is shut down.
pub(crate) async fn run(core: Arc<Core>, handle: ShardHandle) {
    Shard::new(core, handle).run().await;
}

struct Shard {
    core: Arc<Core>,
    handle: ShardHandle,
    origin: tokio::time::Instant,
    /// What the clock said then.
    began: Instant,
    /// The time, at the last look.
    now: Instant,
    active: Actives,
    /// Those of them whose position is stored.
    stored: BTreeSet<SubscriptionId>,
    runnable: VecDeque<SubscriptionId>,
    /// What those wait for that have read all there is.
    passes: BTreeMap<Namespace, Pass>,
    /// One of them may go on.
    pass_due: bool,
    /// Whom an event matches; empty but while it is looked at.
    found: Vec<SubscriptionId>,
    /// Those that wait for a page, by where it goes on.
    waiting: BTreeMap<(Namespace, Sequence), BTreeSet<SubscriptionId>>,
    timers: BTreeSet<(Instant, SubscriptionId)>,
    /// Pieces of tails that dispatchers share within a turn.
    pieces: BTreeMap<Namespace, Piece>,
    saves: save::Saves,
    /// How the dispatcher behaves that was begun last.
    dispatcher_config: Option<Arc<DispatcherConfig>>,
    starts: u64,
}

impl Shard {
    fn new(core: Arc<Core>, handle: ShardHandle) -> Self {
        let began = Instant::from_time(core.clock.now());
        Self {
            core,
            handle,
            origin: tokio::time::Instant::now(),
            began,
            now: began,
            active: Actives::default(),
            stored: BTreeSet::new(),
            runnable: VecDeque::new(),
            passes: BTreeMap::new(),
            pass_due: false,
            found: Vec::new(),
            waiting: BTreeMap::new(),
            timers: BTreeSet::new(),
            pieces: BTreeMap::new(),
            saves: save::Saves::default(),
            dispatcher_config: None,
            starts: 0,
        }
    }

    async fn run(mut self) {
        loop {
            let Received { mail, tail_moved } = self.handle.receive();
            self.core.metrics.turns.one();
            self.tick();
            for mail in mail {
                if let Mail::Shutdown { done } = mail {
                    self.shut_down().await;
                    self.handle.close();
                    let _ = done.send(());
                    return;
                }
                self.take(mail);
            }
            if tail_moved {
                self.tails_moved();
            }
            self.advance_passes();
            let now = self.now();
            self.fire_timers(now);
            self.save_due(now);
            for _ in 0..RUNS_PER_TURN {
                let Some(id) = self.runnable.pop_front() else {
                    break;
                };
                self.tick();
                self.run_one(id);
            }
            self.pieces.clear();
            if !self.is_busy() && !self.handle.has_more() {
                self.wait().await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits until there is mail or time for something. A spurious return does no harm.
    async fn wait(&mut self) {
        // What many needed once is not kept while nobody does.
        self.runnable.shrink_to(RUNNABLE_IDLE);
        let timer = self.timers.first().map(|(due, _)| *due);
        let due = [timer, self.saves.due()].into_iter().flatten().min();
        match due {
            Some(due) => {
                let due = self.origin + due.since(self.began);
                tokio::select! {
                    biased;
                    () = self.handle.notified() => {}
                    () = tokio::time::sleep_until(due) => {}
                }
            }
            None => self.handle.notified().await,
        }
    }

    /// Whether something can go on at once.
    fn is_busy(&self) -> bool {
        !self.runnable.is_empty() || self.pass_due
    }

    /// The time, which stands still while a few things are done for one dispatcher, or for one event.
    fn now(&self) -> Instant {
        self.now
    }

    fn tick(&mut self) {
        self.now = self.began.after(self.origin.elapsed());
    }

    fn take(&mut self, mail: Mail) {
        match mail {
            Mail::Attach {
                spec,
                origin,
                connection,
                up,
            } => self.attach(*spec, origin, connection, up),
            Mail::Detach {
                subscription,
                connection,
                closed,
            } => self.detach(subscription, &connection, closed),
            Mail::Page {
                namespace,
                after,
                piece,
            } => {
                self.page_came(&namespace, after, piece.as_ref());
                let waiting = self.waiting.remove(&(namespace, after));
                for id in waiting.into_iter().flatten() {
                    if let Some(running) = self.running(id) {
                        running.page = piece.clone().map(Box::new);
                    }
                    self.wake(id);
                }
            }
            Mail::State {
                subscription,
                connection,
                state,
            } => {
                self.state(subscription, connection, &state);
            }
            Mail::Answers {
                connection,
                responses,
            } => self.answers(&connection, responses),
            Mail::Claimed {
                subscription,
                start,
                claim,
            } => {
                self.claimed(subscription, start, claim);
            }
            Mail::Loaded {
                subscription,
                start,
                fed,
            } => self.loaded(subscription, start, fed),
            Mail::Written {
                subscription,
                start,
                number,
                stored,
            } => {
                if self.is_current(subscription, start) {
                    self.tell(subscription, Input::Written { number, stored });
                }
            }
            Mail::Fenced {
                subscription,
                start,
            } => {
                if self.is_current(subscription, start) {
                    info!(%subscription, "it has a newer owner; this one stops");
                    self.stop(subscription);
                }
            }
            Mail::Saved { results } => self.saved(results),
            Mail::ReplaysMarked { subscription } => self.replays_marked(subscription),
            Mail::Replays {
                subscription,
                start,
                read,
            } => self.replays_read(subscription, start, read),
            Mail::Discarded {
                subscription,
                events,
            } => self.tell(subscription, Input::Discarded(events)),
            Mail::Stop { subscription, done } => {
                self.stop(subscription);
                let _ = done.send(());
            }
            Mail::Paused { subscription, done } => {
                self.pause(subscription);
                let _ = done.send(());
            }
            Mail::Ask {
                subscription,
                answer,
            } => {
                if let Some(standing) = self.standing(subscription) {
                    let _ = answer.send(standing);
                }
            }
            Mail::Shutdown { .. } => unreachable!("handled where the task can end"),
        }
    }

    /// Gives an input to a dispatcher that runs, and lets it run.
    fn tell(&mut self, id: SubscriptionId, input: Input<feed::Payload>) {
        let now = self.now();
        if let Some(running) = self.running(id) {
            running.dispatcher.handle(now, input);
            self.wake(id);
        }
    }

    fn wake(&mut self, id: SubscriptionId) {
        if let Some(running) = self.running(id)
            && !running.queued
        {
            running.queued = true;
            self.runnable.push_back(id);
        }
    }

    fn running(&mut self, id: SubscriptionId) -> Option<&mut Running> {
        self.active.get_mut(&id)?.running()
    }

    fn is_current(&self, id: SubscriptionId, start: u64) -> bool {
        self.active
            .get(&id)
            .is_some_and(|active| active.start == start)
    }

    fn fire_timers(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            if let Some(running) = self.running(id) {
                running.timer = None;
                self.tell(id, Input::Timeout);
            }
        }
    }

    fn state(&mut self, id: SubscriptionId, connection: ConnectionId, state: &ConnectionState) {
        if let Some(active) = self.active.get_mut(&id)
            && let Phase::Starting { connections, .. } = &mut active.phase
        {
            for (_, up) in connections
                .iter_mut()
                .filter(|(other, _)| *other == connection)
            {
                match state {
                    ConnectionState::Down { .. } => *up = false,
                    ConnectionState::Up => *up = true,
                    _ => {}
                }
            }
            return;
        }
        let input = match state {
            ConnectionState::Ready => Input::Ready(connection),
            ConnectionState::Down { reason } => {
                info!(%connection, subscription = %id, reason, "a connection is down");
                if let Some(running) = self.running(id) {
                    running.trouble = Some(shortened(reason).into());
                }
                Input::Down(connection)
            }
            _ => Input::Up(connection),
        };
        self.tell(id, input);
    }

    /// Ends a dispatcher, and writes its position.
    fn stop(&mut self, id: SubscriptionId) {
        self.leave_live(id);
        if let Some(running) = self.running(id) {
            running.dispatcher.handle(Instant::default(), Input::Close);
            self.perform_all(id);
        }
        self.remove(id);
    }

    /// Forgets an active subscription. What its position says is written.
    fn remove(&mut self, id: SubscriptionId) {
        self.save_now([id]);
        let Some(active) = self.active.remove(&id) else {
            return;
        };
        active.spec.metrics.ended_serving();
        self.stored.remove(&id);
        let Phase::Running(running) = active.phase else {
            return;
        };
        if let Some(place) = running.place {
            self.leave_pass(&active.spec.namespace.info.name, place);
        }
        if let Some(due) = running.timer {
            self.timers.remove(&(due, id));
        }
        if let Some(replies) = running.replies
            && active.spec.subscription.ephemeral
        {
            // Nobody can answer its events any more: once its last reply has met its key, the keys are of no use.
            replies.close();
            let store = self.core.store.clone();
            self.core.tasks.spawn(async move {
                replies.wait().await;
                store.delete_subscription(id).await
            });
        }
    }

    async fn shut_down(&mut self) {
        let mut ids: Vec<_> = self.active.keys().copied().collect();
        // In a fixed order, whatever the map's is.
        ids.sort_unstable();
        for id in &ids {
            self.leave_live(*id);
            if let Some(running) = self.running(*id) {
                running.dispatcher.handle(Instant::default(), Input::Close);
            }
        }
        for result in self.save_and_wait(ids).await {
            self.note_saved(&result.outcome);
            if let Err(error) = result.outcome {
                warn!(subscription = %result.write.subscription, %error, "its last position is not written");
            }
        }
    }
}
