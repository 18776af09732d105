//! What happens in a run?
//!
//! A world of one store, one engine or two, connections and applications. Each step is drawn from the seed; at the
//! end everything is released and acknowledged, and nothing may be missing.

mod answers;
mod connections;
mod ending;
mod nobody;
mod node;
mod plan;
mod requests;
mod steps;

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use photinus_contract::{ConnectionId, DeliveryId, SubscriptionId};
use photinus_store_memory::MemoryStore;
use tokio::runtime::Builder;
use tokio::time::sleep;

use self::node::{Node, Received};
use self::plan::Plan;
use crate::clock::SimClock;
use crate::dice::Dice;
use crate::history::{Counts, History, enter};
use crate::oracle::{Oracle, SharedOracle, lock};

/// How many deliveries that were answered or voided are kept for late and doubled answers.
const MEMORY: usize = 40;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Everything that happened, one line each.
    pub history: String,
    /// The first promise that was broken.
    pub violation: Option<String>,
    /// How often each kind of thing happened.
    pub counts: Counts,
}

/// Runs a seed.
pub fn run(seed: u64) -> Outcome {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O starts");
    let outcome = runtime.block_on(async {
        let history = History::new();
        enter(Some((seed, history.clone())));
        World::new(seed, history).run().await
    });
    enter(None);
    outcome
}

/// Everything in a run.
struct World {
    dice: Dice,
    plan: Plan,
    history: History,
    oracle: SharedOracle,
    store: MemoryStore,
    clock: Arc<SimClock>,
    /// Engines that run, the newest last.
    nodes: Vec<Node>,
    started: usize,
    /// Deliveries that wait for their answer.
    open: Vec<Given>,
    /// Deliveries that were voided, or whose connection or engine is gone.
    void: VecDeque<Given>,
    /// Deliveries that were answered.
    answered: VecDeque<Given>,
    /// Connections that were busy, and have still to say that they are ready.
    busy: Vec<(ConnectionId, SubscriptionId)>,
    /// Connections that said that they are gone, and are still to be closed.
    leaving: Vec<ConnectionId>,
    connected: usize,
    /// In some runs every engine has a listener to its changes, with a queue of this length.
    listening: Option<NonZeroUsize>,
    /// In some runs people move, pause and resume subscriptions.
    has_operators: bool,
    has_keys: bool,
    messages: u64,
    markers: u64,
}

/// A delivery or batch as the application has it.
#[derive(Clone, Debug)]
struct Given {
    node: usize,
    connection: ConnectionId,
    subscription: SubscriptionId,
    id: DeliveryId,
    /// Of a batch, the ids of its events.
    items: Vec<DeliveryId>,
}

impl World {
    fn new(seed: u64, history: History) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::draw(&mut dice);
        let clock = Arc::new(SimClock::new(history.clone(), dice.fork()));
        history.note(format_args!("seed {seed}: {plan:?}"));
        Self {
            dice,
            plan,
            oracle: Arc::new(Mutex::new(Oracle::new(history.clone()))),
            history,
            store: MemoryStore::new(),
            clock,
            nodes: Vec::new(),
            started: 0,
            open: Vec::new(),
            void: VecDeque::new(),
            answered: VecDeque::new(),
            busy: Vec::new(),
            leaving: Vec::new(),
            connected: 0,
            listening: plan::listening(seed),
            has_operators: plan::has_operators(seed),
            has_keys: plan::has_keys(seed),
            messages: 0,
            markers: 0,
        }
    }

    async fn run(mut self) -> Outcome {
        self.start_node().await;
        self.create_namespaces().await;
        for _ in 0..self.plan.steps {
            self.step().await;
            self.pass_time().await;
            self.receive();
            if lock(&self.oracle).violation().is_some() {
                break;
            }
        }
        if lock(&self.oracle).violation().is_none() {
            self.end().await;
        }
        for node in std::mem::take(&mut self.nodes) {
            node.abandon();
        }
        let violation = lock(&self.oracle).violation().map(str::to_owned);
        Outcome {
            history: self.history.text(),
            violation,
            counts: self.history.counts(),
        }
    }

    /// Lets the engines do a little, or time pass.
    async fn pass_time(&mut self) {
        let millis = match self.dice.below(100) {
            0..35 => return,
            35..60 => return self.let_run(10).await,
            60..85 => self.dice.between(1, 20),
            85..95 => self.dice.between(50, 500),
            95..99 => self.dice.between(1_000, 10_000),
            _ => self.dice.between(30_000, 90_000),
        };
        self.wait(Duration::from_millis(millis)).await;
    }

    async fn let_run(&mut self, turns_max: u64) {
        for _ in 0..self.dice.between(1, turns_max) {
            tokio::task::yield_now().await;
        }
    }

    /// Lets time pass. Before it does, all that can happen has happened.
    async fn wait(&mut self, time: Duration) {
        sleep(time).await;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        for node in &self.nodes {
            if node.link.waiting() == (0, 0) {
                lock(&self.oracle).settled_down(node.number);
            }
        }
    }

    /// Takes what the transports received.
    fn receive(&mut self) {
        for node in &mut self.nodes {
            node.hear_changes(&self.oracle);
            while let Some(received) = node.inbox.take() {
                match received {
                    Received::Given(given) => self.open.push(given),
                    Received::Voided(subscription, delivery) => {
                        let is_it = |given: &Given| {
                            (given.subscription, given.id) == (subscription, delivery)
                        };
                        let voided = self.open.extract_if(.., |given| is_it(given));
                        self.void.extend(voided);
                    }
                    Received::Busy(connection, subscription) => {
                        self.busy.push((connection, subscription));
                    }
                    Received::Closed(connection) => self.leaving.push(connection),
                }
            }
        }
        for memory in [&mut self.void, &mut self.answered] {
            let surplus = memory.len().saturating_sub(MEMORY);
            memory.drain(..surplus);
        }
    }

    /// The engine that new things are asked of.
    fn newest(&self) -> Option<usize> {
        self.nodes.len().checked_sub(1)
    }

    /// Where an engine is in the list, by its number.
    fn place_of(&self, number: usize) -> Option<usize> {
        self.nodes.iter().position(|node| node.number == number)
    }

    /// An engine, mostly the newest.
    fn some_node(&mut self) -> Option<usize> {
        let newest = self.newest()?;
        match self.dice.percent(75) {
            true => Some(newest),
            false => Some(self.dice.below(newest + 1)),
        }
    }
}
