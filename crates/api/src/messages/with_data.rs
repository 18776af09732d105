//! How is a message shown with its values?
//!
//! Its stored JSON is kept as it is, key by key, and only `data` is written anew.

use photinus_contract::data::{DatatypeRef, Validator};
use photinus_contract::{Data, DataRef};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::errors::ApiError;
use crate::fields::Fields;

/// The message with, in each entry of `data`, the value that belongs to it. An entry whose value is missing
/// stays a reference.
pub(crate) fn write_with_data(message: &[u8], data: &[Data]) -> Result<Vec<u8>, ApiError> {
    let mut out = Vec::with_capacity(message.len());
    write(message, data, &mut out).map_err(|error| {
        tracing::error!(%error, "a stored message cannot be read");
        ApiError::internal("a stored message cannot be read")
    })?;
    Ok(out)
}

fn write(message: &[u8], data: &[Data], out: &mut Vec<u8>) -> serde_json::Result<()> {
    let Fields(fields) = serde_json::from_slice(message)?;
    out.push(b'{');
    for (index, (key, json)) in fields.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, &key)?;
        out.push(b':');
        if key == "data" {
            let refs: Vec<DataRef> = serde_json::from_str(json.get())?;
            let entries: Vec<Entry<'_>> = refs.into_iter().map(|of| Entry::new(of, data)).collect();
            serde_json::to_writer(&mut *out, &entries)?;
        } else {
            out.extend_from_slice(json.get().as_bytes());
        }
    }
    out.push(b'}');
    Ok(())
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    reference: DataRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    validator: Option<Validator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datatype: Option<&'a DatatypeRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
}

impl<'a> Entry<'a> {
    fn new(reference: DataRef, data: &'a [Data]) -> Self {
        let found = data.iter().find(|data| data.id == reference.id);
        Self {
            reference,
            validator: found.map(|data| data.validator),
            datatype: found.and_then(|data| data.datatype.as_ref()),
            value: found.map(|data| &*data.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use photinus_contract::data::Hash;
    use photinus_contract::{DataId, Namespace, Timestamp};
    use uuid::Uuid;

    #[test]
    fn only_the_data_is_written_anew() {
        let hash = "5aa762ae383fbb727af3c7a36d4940a5b8c40a989452d2304fc958ff3f354e7a";
        let reference = |n: u128| format!(r#""id":"{}","hash":"{hash}""#, Uuid::from_u128(n));
        let message = format!(
            r#"{{"header":{{"z":1, "a":2}},"data":[{{{}}},{{{}}}],"other":null}}"#,
            reference(1),
            reference(2)
        );
        let data = Data::new(
            DataId(Uuid::from_u128(1)),
            Validator::Json,
            Namespace::new("default"),
            hash.parse::<Hash>().unwrap(),
            Timestamp::from_nanos(0),
            RawValue::from_string("1.0".to_owned()).unwrap(),
        );
        let expected = format!(
            r#"{{"header":{{"z":1, "a":2}},"data":[{{{},"validator":"json","value":1.0}},{{{}}}],"other":null}}"#,
            reference(1),
            reference(2)
        );
        let written = write_with_data(message.as_bytes(), &[data]).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
