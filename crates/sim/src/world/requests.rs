//! What do people and programs ask of an engine?

use photinus_contract::store::{Offsets, Pause, Selection, Start};
use photinus_contract::{MessageKind, Sequence, Subscription, SubscriptionFilter, Timestamp};
use photinus_engine::{Clock, SeekTo, SubscriptionInput};
use serde_json::{Value, json};

use super::World;
use crate::oracle::lock;
use crate::wanted::{TAGS, TOPICS, draw};

impl World {
    pub(super) async fn create_namespaces(&mut self) {
        if self.plan.other_namespace {
            let node = &mut self.nodes[0];
            let created = node.handle.create_namespace("other", "").await;
            created.expect("the store answers");
            node.known.note("other", 0);
        }
    }

    /// A message is published; its answer comes when it comes.
    pub(super) fn publish(&mut self, place: usize, namespace: &str, key: &str) {
        self.messages += 1;
        let number = self.messages;
        let value = "x".repeat(self.dice.between(0, self.plan.value_max) as usize);
        let mut data = vec![json!({"value": value})];
        // Now and then it refers to a value that was published before.
        if self.dice.percent(15)
            && let Some(older) = self.nodes[place]
                .known
                .some_message(namespace, &mut self.dice)
        {
            data.push(json!({"id": older.value(0)}));
        }
        let message = json!({
            "header": {
                "author": format!("p{number}"),
                "tag": self.dice.pick(&TAGS[..TAGS.len() - 1]),
                "topics": self.topics(),
            },
            "data": data,
            "idempotencyKey": key,
        });
        let message = serde_json::from_value(message).expect("it is a message");
        let node = &mut self.nodes[place];
        self.history.count("publishes");
        lock(&self.oracle).publishing(number, node.number, namespace, key);
        let (handle, oracle, known) =
            (node.handle.clone(), self.oracle.clone(), node.known.clone());
        let namespace = namespace.to_owned();
        node.requests.spawn(async move {
            let answer = handle
                .publish(&namespace, MessageKind::Broadcast, message)
                .await;
            let answer = answer.map(|receipt| receipt.published);
            if let Ok(published) = &answer {
                known.published(&namespace, *published);
            }
            lock(&oracle).publish_answered(number, answer);
        });
    }

    pub(super) fn publish_some(&mut self) {
        let Some(newest) = self.newest() else { return };
        // An older engine publishes now and then: the newest sees that with its own next append.
        let place = match self.dice.percent(95) {
            true => newest,
            false => self.dice.below(newest + 1),
        };
        let count = match self.dice.percent(75) {
            true => 1,
            false => self.dice.between(2, 8),
        };
        for _ in 0..count {
            let namespace = self.some_namespace();
            let key = match self.dice.percent(20) {
                true => format!("key{}", self.dice.below(12)),
                false => String::new(),
            };
            self.publish(place, namespace, &key);
        }
    }

    fn topics(&mut self) -> Vec<&'static str> {
        let mut topics = TOPICS.to_vec();
        topics.retain(|_| self.dice.percent(35));
        topics
    }

    pub(super) fn some_namespace(&mut self) -> &'static str {
        match self.plan.other_namespace && self.dice.percent(40) {
            true => "other",
            false => "default",
        }
    }

    /// A subscription is created; its name may be in use.
    pub(super) fn create_subscription(&mut self) {
        let Some(place) = self.newest() else { return };
        let namespace = self.some_namespace();
        let name = format!("s{}", self.dice.between(1, self.plan.names));
        let head = lock(&self.oracle).head(namespace);
        let mut options = self.options();
        self.order(&mut options);
        options["firstEvent"] = match self.dice.below(3) {
            0 => json!("oldest"),
            1 => json!("newest"),
            _ => json!(self.dice.between(0, head.unsigned_abs()).to_string()),
        };
        let filter = draw(&mut self.dice);
        let input = input(&name, &filter, options);
        let node = &mut self.nodes[place];
        let handle = node.handle.clone();
        let history = self.history.clone();
        self.history.count("subscriptions created");
        node.changes.spawn(async move {
            if let Err(error) = handle.create_subscription(namespace, input).await {
                history.note(format_args!("{name} is not created: {error}"));
            }
        });
    }

    /// A subscription is changed. While two engines run, its filter, ordering key and retry policy stay: an engine does
    /// not hear of what another one changes.
    pub(super) fn change_subscription(&mut self) {
        let (Some(place), Some(stored)) = (self.newest(), self.some_stored()) else {
            return;
        };
        if self.has_keys && self.dice.percent(60) {
            return self.put_right(place, stored);
        }
        let filter = match self.nodes.len() == 1 && self.dice.percent(50) {
            true => draw(&mut self.dice),
            false => stored.filter.clone(),
        };
        let mut options = self.options();
        match (self.nodes.len(), &stored.options.ordering_key) {
            (1, _) => self.order(&mut options),
            (_, key) => {
                // What is told of failures, and in which order, stays with them.
                if key.is_some() || stored.options.retry_policy.is_some() {
                    options["batch"] = Value::Null;
                    options["ackTimeout"] = Value::Null;
                }
                options["orderingKey"] = json!(key);
                options["retryPolicy"] = json!(stored.options.retry_policy);
            }
        }
        let input = input(&stored.name, &filter, options);
        let node = &mut self.nodes[place];
        let handle = node.handle.clone();
        let history = self.history.clone();
        self.history.count("subscriptions changed");
        node.changes.spawn(async move {
            let (namespace, name) = (stored.namespace, stored.name);
            if let Err(error) = handle.put_subscription(namespace.as_str(), input).await {
                history.note(format_args!("{name} is not changed: {error}"));
            }
        });
    }

    /// Somebody has parked events delivered again, or gives them up.
    fn put_right(&mut self, place: usize, stored: Subscription) {
        let head = lock(&self.oracle).head(stored.namespace.as_str());
        let from = self.dice.between(0, head.unsigned_abs()) as i64;
        let selection = match self.dice.percent(50) {
            true => Selection::All,
            false => Selection::Range(Sequence(from), Sequence::MAX),
        };
        let is_replay = self.dice.percent(80);
        let node = &mut self.nodes[place];
        let handle = node.handle.clone();
        node.changes.spawn(async move {
            let (namespace, id) = (stored.namespace.as_str(), stored.id);
            // What the store refuses is not done; the oracle hears of what is.
            let _ = match is_replay {
                true => handle.replay_parked(namespace, id, selection).await,
                false => handle.discard_parked(namespace, id, selection).await,
            };
        });
    }

    pub(super) fn delete_subscription(&mut self) {
        let (Some(place), Some(stored)) = (self.newest(), self.some_stored()) else {
            return;
        };
        let node = &mut self.nodes[place];
        let handle = node.handle.clone();
        let history = self.history.clone();
        self.history.count("subscriptions deleted");
        node.changes.spawn(async move {
            let (namespace, id) = (stored.namespace, stored.id);
            if let Err(error) = handle.delete_subscription(namespace.as_str(), id).await {
                history.note(format_args!("{id} is not deleted: {error}"));
            }
        });
    }

    /// An operator moves a subscription. Now and then that happens past the engine, as if another one had done it: its
    /// owner is fenced, and begins anew when a connection comes.
    pub(super) fn seek(&mut self) {
        let (Some(place), Some(stored)) = (self.newest(), self.some_stored()) else {
            return;
        };
        let head = lock(&self.oracle).head(stored.namespace.as_str());
        let (to, start) = match self.dice.below(3) {
            0 => (SeekTo::Oldest, Start::Oldest),
            1 => (SeekTo::Newest, Start::Newest),
            _ => {
                let after = Sequence(self.dice.between(0, head.unsigned_abs()) as i64);
                (SeekTo::After(after), Start::After(after))
            }
        };
        let node = &mut self.nodes[place];
        if !self.has_operators || self.dice.percent(40) {
            self.history.count("seeks past the engine");
            return drop(node.link.seek(stored.id, start));
        }
        let handle = node.handle.clone();
        let history = self.history.clone();
        self.history.count("seeks");
        node.changes.spawn(async move {
            let (namespace, id) = (stored.namespace, stored.id);
            if let Err(error) = handle.seek(namespace.as_str(), id, to).await {
                history.note(format_args!("{id} is not moved: {error}"));
            }
        });
    }

    /// An operator has a subscription wait, for a while or until somebody resumes it.
    pub(super) fn pause(&mut self) {
        let (Some(place), Some(stored)) = (self.newest(), self.some_stored()) else {
            return;
        };
        let until = self.dice.percent(50).then(|| {
            let wait = self.dice.between(1, 15_000) as i64 * 1_000_000;
            Timestamp::from_nanos(self.clock.now().as_nanos() + wait)
        });
        self.history.count("subscriptions paused");
        self.change_pause(place, stored, Some(Pause::new(until, "an operator's")));
    }

    pub(super) fn resume(&mut self) {
        let (Some(place), Some(stored)) = (self.newest(), self.some_stored()) else {
            return;
        };
        self.history.count("subscriptions resumed");
        self.change_pause(place, stored, None);
    }

    fn change_pause(&mut self, place: usize, stored: Subscription, pause: Option<Pause>) {
        let node = &mut self.nodes[place];
        let (handle, number, oracle) = (node.handle.clone(), node.number, self.oracle.clone());
        node.changes.spawn(async move {
            let (namespace, id) = (stored.namespace.as_str(), stored.id);
            let until = pause.as_ref().map(|pause| pause.until);
            lock(&oracle).pause_asked(number, id);
            let done = match pause {
                Some(pause) => handle.pause(namespace, id, pause).await,
                None => handle.resume(namespace, id).await,
            };
            lock(&oracle).pause_answered(number, id, done.ok().map(|()| until));
        });
    }

    /// An ephemeral subscription starts on some connection.
    pub(super) fn subscribe_ephemeral(&mut self, place: usize) {
        let node = &self.nodes[place];
        let connections: Vec<_> = node.connections.keys().cloned().collect();
        if connections.is_empty() {
            return;
        }
        let connection = self.dice.pick(&connections);
        let namespace = self.some_namespace();
        let head = lock(&self.oracle).head(namespace);
        let mut options = self.options();
        options["firstEvent"] = match self.dice.below(4) {
            0 => json!("oldest"),
            1 => json!(self.dice.between(0, head.unsigned_abs()).to_string()),
            _ => json!("newest"),
        };
        let options = serde_json::from_value(options).expect("they are options");
        let filter = draw(&mut self.dice);
        let node = &self.nodes[place];
        let low = node.known.head(namespace);
        let began = node
            .callbacks
            .ephemeral_subscription(&connection, namespace, filter, options)
            .expect("it is welcome");
        lock(&self.oracle).ephemeral_began(node.number, &connection, &began, low);
    }

    fn options(&mut self) -> Value {
        let mut options = json!({"readAhead": self.dice.pick(&[0, 0, 1, 3, 7, 20])});
        match self.dice.below(4) {
            0 => {
                options["batch"] = json!(true);
                options["batchTimeout"] = json!(self.dice.pick(&["0ms", "20ms", "500ms"]));
            }
            1 => options["withData"] = json!(true),
            _ => {}
        }
        if self.dice.percent(30) {
            options["ackTimeout"] = json!(self.dice.pick(&["30ms", "2s", "20s"]));
        }
        options
    }

    /// Some are ordered by a key only, and some of those whose failures can be counted from outside give up after a few.
    fn order(&mut self, options: &mut Value) {
        let is_counted = options.get("batch").is_none() && options.get("ackTimeout").is_none();
        if self.has_keys && is_counted && self.dice.percent(50) {
            options["retryPolicy"] = json!({
                "delays": self.dice.pick(&[["10ms"], ["300ms"]]),
                "maxAttempts": self.dice.between(1, 4),
                "then": self.dice.pick(&["hold", "park", "skip"]),
            });
        }
        if self.has_keys && options.get("batch").is_none() && self.dice.percent(50) {
            options["orderingKey"] = json!(self.dice.pick(&["topic", "tag"]));
        }
    }

    fn some_stored(&mut self) -> Option<Subscription> {
        let stored: Vec<Subscription> = lock(&self.oracle).stored().cloned().collect();
        match stored.is_empty() {
            true => None,
            false => Some(self.dice.pick(&stored)),
        }
    }
}

fn input(name: &str, filter: &SubscriptionFilter, options: Value) -> SubscriptionInput {
    let input =
        json!({"name": name, "transport": "scripted", "filter": filter, "options": options});
    serde_json::from_value(input).expect("it is a subscription")
}
