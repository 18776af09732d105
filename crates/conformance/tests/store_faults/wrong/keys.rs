//! How can keys, and the answers about them, be wrong?

use photinus_contract::BoxFuture;
use photinus_contract::record::{NewRecord, ReplyKey};
use photinus_contract::store::{AppendError, Log, NamespaceInfo, Namespaces, Offsets};
use photinus_contract::{Namespace, Timestamp};

use super::{Answer, Before, Fault, ReplyPlace, Wrong, now};

/// What is said of a record.
enum Said {
    /// What the store says.
    TheTruth,
    /// This, and the record is stored.
    ThoughStored(AppendError),
    /// This, and it is not.
    Only(AppendError),
}

impl Wrong {
    /// Changes single records, or what is said of them.
    pub(super) fn append_spoilt(&self, records: Vec<NewRecord>) -> BoxFuture<'static, Vec<Answer>> {
        let mut passed = Vec::new();
        let mut said = Vec::new();
        for mut record in records {
            let what = self.spoil(&mut record);
            let copy = record.clone();
            if !matches!(what, Said::Only(_)) {
                passed.push(record);
            }
            said.push((copy, what));
        }
        let wait = self.inner.append(passed);
        let (state, kept) = (self.state.clone(), self.kept.clone());
        Box::pin(async move {
            let mut truths = wait.await.into_iter();
            let mut answers = Vec::new();
            for (record, what) in said {
                let answer = match what {
                    Said::Only(error) => Err(error),
                    Said::ThoughStored(error) => truths.next().unwrap().and(Err(error)),
                    Said::TheTruth => truths.next().unwrap(),
                };
                if answer.is_err() {
                    let id = record.content.id;
                    let mut state = state.lock().unwrap();
                    if let Some(place) = key_place(&record) {
                        state.refused_keys.insert(place, id);
                    }
                    if let Some(reply) = record.reply {
                        let place = reply_place(&reply);
                        state.replies.entry(place).or_insert((id, reply.epoch));
                    }
                    let mut record = record;
                    record.reply = None;
                    forget_key(&mut record);
                    kept.lock().unwrap().refused.push(record);
                }
                answers.push(answer);
            }
            answers
        })
    }

    fn spoil(&self, record: &mut NewRecord) -> Said {
        let namespace = record.content.namespace.clone();
        let place = key_place(record);
        let reply = record.reply;
        let reply_place = reply.as_ref().map(reply_place);
        let (id, crashed) = (record.content.id, self.before == Before::Crash);
        let mut state = self.state();
        let known = place
            .as_ref()
            .and_then(|place| state.keys.get(place))
            .copied();
        let known_reply = reply_place.and_then(|place| state.replies.get(&place).copied());
        let duplicate = |holder| Said::Only(AppendError::DuplicateKey { holder });
        match (self.fault, known) {
            (Fault::TakesAKeyTwice, Some(_)) => forget_key(record),
            (Fault::AnswersADuplicateEarly, Some(holder)) => return duplicate(holder),
            (Fault::StoresARefusedDuplicate, Some(holder)) => {
                forget_key(record);
                return Said::ThoughStored(AppendError::DuplicateKey { holder });
            }
            (Fault::SharesKeysAmongNamespaces, None) => {
                let key = record.content.idempotency_key();
                let mut others = state.keys.iter();
                let other = others.find(|((_, other), _)| Some(&**other) == key);
                if let Some((_, holder)) = other {
                    return duplicate(*holder);
                }
            }
            (Fault::KeepsTheKeyOfARefusedRecord, _) => {
                let holder = place
                    .as_ref()
                    .and_then(|place| state.refused_keys.get(place));
                if let Some(holder) = holder {
                    return duplicate(*holder);
                }
            }
            (Fault::LosesKeysInACrash, _) if crashed => forget_key(record),
            (Fault::LosesReplyKeysInAClose, _) if self.before == Before::Close => {
                record.reply = None;
            }
            (Fault::RepliesWithAnOldEpoch, _) => {
                if let Some(reply) = &mut record.reply {
                    let current = now(self.inner.offset(reply.subscription)).unwrap();
                    reply.epoch = current.map(|current| current.epoch);
                }
            }
            (Fault::RepliesTwice, _) if known_reply.is_some() => record.reply = None,
            (Fault::ForgetsRepliesInATakeover, _)
                if known_reply
                    .is_some_and(|(_, epoch)| reply.is_some_and(|r| r.epoch != epoch)) =>
            {
                record.reply = None;
            }
            (Fault::RepliesTwiceToTheEphemeral, _) if reply.is_some_and(|r| r.epoch.is_none()) => {
                record.reply = None;
            }
            (Fault::KeepsReplyKeysForEver | Fault::KeepsTheReplyKeyOfARefusedRecord, _) => {
                if let Some((holder, _)) = known_reply {
                    return Said::Only(AppendError::DuplicateReply { holder });
                }
            }
            (Fault::SharesReplyKeysAmongGenerations, _) => {
                let mut others = state.replies.iter();
                let other = others.find(|((subscription, _, event), _)| {
                    reply.is_some_and(|r| r.subscription == *subscription && r.event == *event)
                });
                if let Some((_, (holder, _))) = other {
                    return Said::Only(AppendError::DuplicateReply { holder: *holder });
                }
            }
            (Fault::FreesReplyKeysOfTheParked, _)
                if reply_place.is_some_and(|place| state.freed_replies.contains(&place)) =>
            {
                record.reply = None;
            }
            (Fault::MakesNamespacesByItself, _) => {
                let info = NamespaceInfo::new(namespace, "", Timestamp::from_nanos(0));
                let _ = now(self.inner.create_namespace(info));
            }
            _ => {}
        }
        if let Some(place) = place {
            state.keys.entry(place).or_insert(id);
        }
        if self.fault != Fault::KeepsTheReplyKeyOfARefusedRecord
            && let (Some(place), Some(reply)) = (reply_place, reply)
        {
            state.replies.entry(place).or_insert((id, reply.epoch));
        }
        Said::TheTruth
    }

    /// Looks whether the keys are free, and appends a little later.
    pub(super) fn append_after_a_look(
        &self,
        mut records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Answer>> {
        let (inner, state) = (self.inner.clone(), self.state.clone());
        let mut taken = Vec::new();
        for record in &mut records {
            let known = self.state();
            let id = record.content.id;
            if self.is(Fault::ChecksTheKeyBeforeItsTurn)
                && let Some(place) = key_place(record)
                && !known.keys.contains_key(&place)
            {
                forget_key(record);
                taken.push((id, Some(place), None));
            }
            if self.is(Fault::ChecksTheReplyBeforeItsTurn)
                && let Some(reply) = record.reply
                && !known.replies.contains_key(&reply_place(&reply))
            {
                record.reply = None;
                taken.push((id, None, Some(reply_place(&reply))));
            }
        }
        Box::pin(async move {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let answers = inner.append(records).await;
            let mut state = state.lock().unwrap();
            for (id, key, reply) in taken {
                key.map(|place| state.keys.insert(place, id));
                reply.map(|place| state.replies.insert(place, (id, None)));
            }
            answers
        })
    }
}

fn key_place(record: &NewRecord) -> Option<(Namespace, Box<str>)> {
    let key = record.content.idempotency_key()?;
    Some((record.content.namespace.clone(), key.into()))
}

fn forget_key(record: &mut NewRecord) {
    record.content.edit(|parts| parts.idempotency_key = None);
}

fn reply_place(reply: &ReplyKey) -> ReplyPlace {
    (reply.subscription, reply.generation, reply.event)
}
