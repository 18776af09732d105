//! Where do the values of a message come from?
//!
//! Most were published with it and stand in its record; others were stored before, or are kept apart because
//! they are large.

use photinus_contract::record::Value;
use photinus_contract::store::{Store, StoreError};
use photinus_contract::{Data, DataId, DataRef, MessageId, Record};
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

/// A value that was published with a record.
pub(crate) async fn of_record(
    store: &dyn Store,
    record: &Record,
    id: DataId,
) -> Result<Option<Data>, StoreError> {
    let references = record.content.data_refs();
    let reference = references.into_iter().find(|reference| reference.id == id);
    let own: Vec<_> = record.content.values().collect();
    match reference.and_then(|reference| inline(record, &own, reference)) {
        Some(value) => Ok(Some(value)),
        None => store.value(&record.content.namespace, id).await,
    }
}

/// A value that stands in the record, among its `own`.
fn inline(record: &Record, own: &[Value<'_>], reference: DataRef) -> Option<Data> {
    let content = &record.content;
    if MessageId::containing(reference.id.0) != content.id {
        return None;
    }
    let value = own.get(reference.id.index()?)?;
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
