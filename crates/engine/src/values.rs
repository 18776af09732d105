//! Where do the values of a message come from?
//!
//! Most were published with it and stand in its record; others were stored before, or are kept apart because
//! they are large.

use photinus_contract::record::Value;
use photinus_contract::store::{Store, StoreError};
use photinus_contract::{Data, DataRef, MessageId, Record};
use serde_json::value::RawValue;

/// The values of a record's message, in message order. Those that are not there any more are left out.
pub(crate) async fn of_message(
    store: &dyn Store,
    record: &Record,
) -> Result<Vec<Data>, StoreError> {
    let mut values = Vec::new();
    let own: Vec<_> = record.content.values().collect();
    for reference in record.content.data_refs() {
        let value = match inline(record, &own, reference) {
            Some(value) => Some(value),
            None => store.value(&record.content.namespace, reference.id).await?,
        };
        values.extend(value);
    }
    Ok(values)
}

/// The values that were published with a record, in order, and whether their JSON is kept apart: it is `null` then.
pub(crate) fn published(record: &Record) -> Vec<(Data, bool)> {
    let own: Vec<_> = record.content.values().collect();
    if own.is_empty() {
        return Vec::new();
    }
    let of = |reference: DataRef| {
        let apart = |value: &Value<'_>| {
            let content = &record.content;
            Data::new(
                reference.id,
                value.validator,
                content.namespace.clone(),
                reference.hash,
                content.created,
                RawValue::NULL.to_owned(),
            )
        };
        match inline(record, &own, reference) {
            Some(data) => Some((data, false)),
            None => own_value(record, &own, reference).map(|value| (apart(value), true)),
        }
    };
    record
        .content
        .data_refs()
        .into_iter()
        .filter_map(of)
        .collect()
}

/// What a record has, among its `own`, of a value that was published with it.
fn own_value<'a, 'v>(
    record: &Record,
    own: &'a [Value<'v>],
    reference: DataRef,
) -> Option<&'a Value<'v>> {
    let is_own = MessageId::containing(reference.id.0) == record.content.id;
    let index = reference.id.index().filter(|_| is_own)?;
    own.get(index)
}

/// A value that stands in the record, among its `own`.
fn inline(record: &Record, own: &[Value<'_>], reference: DataRef) -> Option<Data> {
    let content = &record.content;
    let value = own_value(record, own, reference)?;
    let json = std::str::from_utf8(value.json?).ok()?;
    Some(Data::new(
        reference.id,
        value.validator,
        content.namespace.clone(),
        reference.hash,
        content.created,
        RawValue::from_string(json.to_owned()).ok()?,
    ))
}
