//! How does a run end?
//!
//! Everything is released; one engine is left, connections come for everything, all is acknowledged until nothing
//! happens any more. Then everything has to be there.

use std::collections::BTreeSet;
use std::time::Duration;

use photinus_contract::store::{Log, Offsets, Parked, ReadLimit};
use photinus_contract::transport::Scope;
use photinus_contract::{ConnectionId, Namespace, Outcome, Response, Sequence, Subscription};

use super::World;
use super::node::Node;
use crate::oracle::lock;

/// So long nothing happens before it counts as quiet: longer than any retry or flush waits.
const QUIET: Duration = Duration::from_secs(100);
/// Whoever is not quiet after so many rounds never will be.
const ROUNDS_MAX: usize = 20_000;

impl World {
    pub(super) async fn end(&mut self) {
        self.history.note("the end begins");
        // An engine that is not the last one that started does not know what the later ones changed: it goes, too.
        let is_last = |node: &Node| node.number == self.started;
        let stay = usize::from(self.nodes.last().is_some_and(is_last));
        while self.nodes.len() > stay {
            let node = self.nodes.remove(0);
            match self.dice.percent(50) {
                true => self.shut_down(node).await,
                false => {
                    self.forget(node.number);
                    node.abandon();
                }
            }
        }
        if self.nodes.is_empty() {
            self.start_node().await;
        }
        self.nodes[0].link.fail(false);
        self.nodes[0].link.release_all();
        let namespaces: Vec<Namespace> = self.nodes[0]
            .handle
            .namespaces()
            .into_iter()
            .map(|namespace| namespace.name)
            .collect();
        // Twice: an owner that was fenced meanwhile, by the older engine or by a seek, finds that out in the first
        // round, and begins anew with the connection of the second.
        for _ in 0..2 {
            self.resume_all().await;
            let last = self.reconnect();
            // The last word in every log: an engine sees with its own append what others appended.
            for namespace in &namespaces {
                self.publish(0, namespace.as_str(), "");
            }
            self.drain(last).await;
        }
        if lock(&self.oracle).violation().is_none() {
            self.check(&namespaces).await;
        }
        if let Some(node) = self.nodes.pop() {
            self.shut_down(node).await;
        }
    }

    /// Whatever is paused goes on; a pause until some time ends while nothing happens.
    async fn resume_all(&mut self) {
        let paused: Vec<Subscription> = lock(&self.oracle).paused().cloned().collect();
        for subscription in paused {
            let (namespace, id) = (subscription.namespace, subscription.id);
            let node = &self.nodes[0];
            lock(&self.oracle).pause_asked(node.number, id);
            // One that this engine does not serve has no pause here.
            let done = node.handle.resume(namespace.as_str(), id).await;
            lock(&self.oracle).pause_answered(node.number, id, done.ok().map(|()| None));
        }
    }

    /// All connections go but some that keep only their ephemeral subscriptions, and one comes that wants everything.
    fn reconnect(&mut self) -> ConnectionId {
        let known: Vec<ConnectionId> = self.nodes[0].connections.keys().cloned().collect();
        for connection in known {
            match self.dice.percent(70) {
                true => self.close(&connection),
                false => {
                    self.replace_list_of(0, &connection, BTreeSet::new());
                    self.set_up(0, &connection, Scope::All, true);
                }
            }
        }
        let names = self.all_names();
        self.connect_for(0, names)
    }

    /// Acknowledges everything until nothing comes any more.
    async fn drain(&mut self, mut last: ConnectionId) {
        for _ in 0..ROUNDS_MAX {
            self.receive();
            if lock(&self.oracle).violation().is_some() {
                return;
            }
            self.make_up(true);
            if !self.nodes[0].connections.contains_key(&last) {
                last = self.connect_for(0, self.all_names());
            }
            for given in std::mem::take(&mut self.open) {
                let response = Response::new(given.subscription, given.id, Outcome::ack());
                self.respond(given.node, &given.connection, response);
            }
            let inbox = self.nodes[0].inbox.clone();
            if tokio::time::timeout(QUIET, inbox.arrived.notified())
                .await
                .is_err()
            {
                self.wait(Duration::from_millis(1)).await;
                self.receive();
                if self.open.is_empty() && self.busy.is_empty() && self.leaving.is_empty() {
                    return;
                }
            }
        }
        lock(&self.oracle).violated(4, "the run does not end: something is delivered for ever");
    }

    async fn check(&mut self, namespaces: &[Namespace]) {
        let everything = ReadLimit {
            records: usize::MAX,
            bytes: usize::MAX,
        };
        for namespace in namespaces {
            let page = self
                .store
                .read(namespace, Sequence::OLDEST, everything)
                .await;
            let page = page.expect("the store answers");
            lock(&self.oracle).final_log(namespace, &page.records);
        }
        let stored: Vec<Subscription> = lock(&self.oracle).stored().cloned().collect();
        for subscription in stored {
            let record = self.store.offset(subscription.id).await;
            let parked = self
                .store
                .parked(subscription.id, Sequence::OLDEST, usize::MAX)
                .await;
            let parked = parked.expect("the store answers");
            let mut oracle = lock(&self.oracle);
            match record.expect("the store answers") {
                Some(record) => oracle.final_position(&subscription, &record, &parked),
                None => oracle.violated(7, format_args!("{} is gone", subscription.name)),
            }
        }
        let oracle = self.oracle.clone();
        self.nodes[0].hear_changes(&oracle);
        if self.nodes[0].is_listened_to() {
            lock(&oracle).final_changes(self.nodes[0].number);
        }
        lock(&oracle).final_ephemerals(self.nodes[0].number);
    }
}
