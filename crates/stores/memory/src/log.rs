//! How are records appended and read?

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use photinus_contract::data::Hash;
use photinus_contract::id::{DataId, EVENTS_PER_RECORD_MAX, EventId, VALUES_PER_RECORD_MAX};
use photinus_contract::record::{NewRecord, ReplyKey};
use photinus_contract::store::{
    AppendError, Appended, Group, Log, NamespaceInfo, Page, ReadLimit, StoreError, StoreErrorKind,
};
use photinus_contract::{BoxFuture, Data, Datatype, MessageId, Namespace, Record, Sequence};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{Durable, MemoryStore};

/// A namespace: its log, its groups, and the data that was stored in it.
#[derive(Clone)]
pub(crate) struct LogState {
    pub(crate) info: NamespaceInfo,
    pub(crate) groups: BTreeMap<Hash, Group>,
    pub(crate) stored: BTreeMap<DataId, Data>,
    /// By name and version.
    pub(crate) datatypes: BTreeMap<(String, String), Datatype>,
    /// Which records refer to a value that they did not bring, by the sequence of their last event.
    references: BTreeSet<(DataId, i64)>,
    /// By the sequence of the last event.
    records: BTreeMap<i64, Arc<Record>>,
    messages: BTreeMap<MessageId, i64>,
    keys: BTreeMap<String, MessageId>,
}

impl LogState {
    pub(crate) fn new(info: NamespaceInfo) -> Self {
        Self {
            info,
            groups: BTreeMap::new(),
            stored: BTreeMap::new(),
            datatypes: BTreeMap::new(),
            references: BTreeSet::new(),
            records: BTreeMap::new(),
            messages: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    /// The newest sequence; 0 if there is none.
    pub(crate) fn head(&self) -> i64 {
        self.records.last_key_value().map_or(0, |(last, _)| *last)
    }

    /// The record that holds a message, an event or a value.
    fn record(&self, part: Uuid) -> Option<&Arc<Record>> {
        let last = self.messages.get(&MessageId::containing(part))?;
        let record = self.records.get(last)?;
        let holds = match (EventId(part).index(), DataId(part).index()) {
            (Some(event), _) => event < record.content.events_len(),
            (_, Some(value)) => value < record.content.values_len(),
            (None, None) => true,
        };
        holds.then_some(record)
    }
}

impl Log for MemoryStore {
    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, AppendError>>> {
        self.write_each(records, append)
    }

    fn read(
        &self,
        namespace: &Namespace,
        after: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Page, StoreError>> {
        self.read(|durable| {
            let Some(log) = durable.namespaces.get(namespace) else {
                return Ok(Page::default());
            };
            let mut records = Vec::new();
            let mut bytes = 0;
            for record in log.after(after) {
                bytes += record.content.size();
                let full = records.len() >= limit.records || bytes > limit.bytes;
                if full && !records.is_empty() {
                    return Ok(Page::new(records, true));
                }
                records.push(record.clone());
            }
            Ok(Page::new(records, false))
        })
    }

    fn read_back(
        &self,
        namespace: &Namespace,
        before: Sequence,
        mut limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Arc<Record>>, StoreError>> {
        self.read(|durable| {
            let Some(log) = durable.namespaces.get(namespace) else {
                return Ok(Vec::new());
            };
            // Of the records that end at `before` or above, only the lowest can begin below it.
            let straddling = log
                .records
                .range(before.0..)
                .next()
                .map(|(_, record)| record)
                .filter(|record| record.first() < before);
            let below = log
                .records
                .range(..before.0)
                .rev()
                .map(|(_, record)| record);
            let mut records = Vec::new();
            for record in straddling.into_iter().chain(below) {
                if !limit.takes(records.is_empty(), record.content.size()) {
                    break;
                }
                records.push(record.clone());
            }
            Ok(records)
        })
    }

    fn head(&self, namespace: &Namespace) -> BoxFuture<'static, Result<Sequence, StoreError>> {
        self.read(|durable| Ok(Sequence(durable.head(namespace))))
    }

    fn record(
        &self,
        namespace: &Namespace,
        part: Uuid,
    ) -> BoxFuture<'static, Result<Option<Arc<Record>>, StoreError>> {
        self.read(|durable| {
            let log = durable.namespaces.get(namespace);
            Ok(log.and_then(|log| log.record(part)).cloned())
        })
    }

    fn value(
        &self,
        namespace: &Namespace,
        id: DataId,
    ) -> BoxFuture<'static, Result<Option<Data>, StoreError>> {
        self.read(|durable| {
            let Some(log) = durable.namespaces.get(namespace) else {
                return Ok(None);
            };
            let Some(part) = id.index() else {
                return Ok(log.stored.get(&id).cloned());
            };
            match log.record(id.0) {
                Some(record) => value(record, id, part),
                None => Ok(None),
            }
        })
    }

    fn records_of_value(
        &self,
        namespace: &Namespace,
        id: DataId,
        before: Sequence,
        mut limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Arc<Record>>, StoreError>> {
        self.read(|durable| {
            let Some(log) = durable.namespaces.get(namespace) else {
                return Ok(Vec::new());
            };
            let referring = log.references.range((id, i64::MIN)..(id, before.0)).rev();
            let referring = referring.filter_map(|(_, last)| log.records.get(last));
            let own = id.index().and_then(|_| log.record(id.0));
            let own = own.filter(|record| record.last < before);
            let mut records = Vec::new();
            for record in referring.chain(own) {
                if !limit.takes(records.is_empty(), record.content.size()) {
                    break;
                }
                records.push(record.clone());
            }
            Ok(records)
        })
    }
}

impl LogState {
    fn after(&self, after: Sequence) -> impl Iterator<Item = &Arc<Record>> {
        self.records
            .range((Bound::Excluded(after.0), Bound::Unbounded))
            .map(|(_, record)| record)
    }
}

impl Durable {
    /// The newest sequence of a namespace; 0 if there is none.
    pub(crate) fn head(&self, namespace: &Namespace) -> i64 {
        self.namespaces.get(namespace).map_or(0, LogState::head)
    }

    /// Why a reply must not be appended: its owner was superseded, it is there already, or its event was passed.
    fn check_reply(&self, reply: &ReplyKey) -> Result<(), AppendError> {
        if let Some(epoch) = reply.epoch
            && self.epoch(reply.subscription) != Some(epoch)
        {
            return Err(AppendError::Fenced);
        }
        if let Some(holder) = self.replies.get(&reply_place(reply)) {
            return Err(AppendError::DuplicateReply { holder: *holder });
        }
        let state = self.subscriptions.get(&reply.subscription);
        let passed = state.is_some_and(|state| {
            reply.event <= state.position.offset && !state.parked.contains_key(&reply.event)
        });
        match passed {
            true => Err(AppendError::Passed),
            false => Ok(()),
        }
    }
}

fn append(durable: &mut Durable, record: NewRecord) -> Result<Appended, AppendError> {
    let content = record.content;
    if !durable.namespaces.contains_key(&content.namespace) {
        return Err(AppendError::UnknownNamespace);
    }
    if let Some(reply) = &record.reply {
        durable.check_reply(reply)?;
    }
    let log = durable
        .namespaces
        .get_mut(&content.namespace)
        .ok_or(AppendError::UnknownNamespace)?;
    let key = content.idempotency_key().map(str::to_owned);
    if let Some(holder) = key.as_ref().and_then(|key| log.keys.get(key)) {
        return Err(AppendError::DuplicateKey { holder: *holder });
    }
    let refused = |what: &str| {
        let text = format!("message {} {what}", content.id);
        Err(StoreError::new(StoreErrorKind::Other, text).into())
    };
    if content.events_len() == 0 {
        return refused("has no events; at least one is needed");
    }
    if content.events_len() > EVENTS_PER_RECORD_MAX || content.values_len() > VALUES_PER_RECORD_MAX
    {
        return refused("has more events or values than there are ids for");
    }
    if log.messages.contains_key(&content.id) {
        return refused("is in the log already");
    }
    let enclosed = record.enclosed.unwrap_or_default();
    let datatype = enclosed.datatype.as_ref();
    let key_of = |datatype: &Datatype| (datatype.name.clone(), datatype.version.clone());
    if let Some(holder) = datatype.and_then(|datatype| log.datatypes.get(&key_of(datatype))) {
        let holder = holder.id;
        return Err(AppendError::DuplicateDatatype { holder });
    }
    let mut ids = BTreeSet::new();
    let is_taken = |id| {
        durable
            .namespaces
            .values()
            .any(|log| log.stored.contains_key(&id))
    };
    for data in &enclosed.data {
        let is_new = ids.insert(data.id) && !is_taken(data.id);
        if !is_new || data.id.index().is_some() || data.blob.is_some() {
            return refused("encloses data that is there already, or cannot be enclosed");
        }
    }
    let log = durable
        .namespaces
        .get_mut(&content.namespace)
        .ok_or(AppendError::UnknownNamespace)?;

    let (id, previous) = (content.id, log.head());
    let last = previous + content.events_len() as i64;
    log.messages.insert(id, last);
    for data in &enclosed.data {
        log.stored.insert(data.id, data.clone());
    }
    if let Some(datatype) = datatype {
        log.datatypes.insert(key_of(datatype), datatype.clone());
    }
    let references = enclosed.references.iter();
    log.references.extend(references.map(|id| (*id, last)));
    log.records
        .insert(last, Arc::new(Record::new(Sequence(last), content)));
    if let Some(key) = key {
        log.keys.insert(key, id);
    }
    if let Some(reply) = &record.reply {
        durable.replies.insert(reply_place(reply), id);
    }
    Ok(Appended::new(Sequence(previous), Sequence(last)))
}

fn reply_place(reply: &ReplyKey) -> (photinus_contract::SubscriptionId, u64, i64) {
    (reply.subscription, reply.generation, reply.event.0)
}

fn value(record: &Record, id: DataId, part: usize) -> Result<Option<Data>, StoreError> {
    let content = &record.content;
    let Some(value) = content.values().nth(part) else {
        return Ok(None);
    };
    let damaged = |what: &str| {
        let text = format!("value {id} of namespace {} {what}", content.namespace);
        StoreError::new(StoreErrorKind::Corrupt, text)
    };
    let json = value.json.unwrap_or_default();
    let json: Box<RawValue> = serde_json::from_slice(json).map_err(|_| damaged("is not JSON"))?;
    let reference = content
        .data_refs()
        .into_iter()
        .find(|reference| reference.id == id)
        .ok_or_else(|| damaged("is not named by its message"))?;
    Ok(Some(Data::new(
        id,
        value.validator,
        content.namespace.clone(),
        reference.hash,
        content.created,
        json,
    )))
}
