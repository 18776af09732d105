//! What do the values of a message say about a request?

use photinus_contract::Data;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The values of a message that are not null, in order, and the first as an object.
pub(crate) struct Fields<'a> {
    values: Vec<&'a RawValue>,
    first: Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(data: Option<&'a [Data]>) -> Self {
        let values = data.unwrap_or_default().iter().map(|data| &*data.value);
        Self {
            values: values.filter(|value| value.get() != "null").collect(),
            first: Map::new(),
        }
    }

    /// With the first value read, for what options name in it.
    pub(crate) fn read(mut self) -> Self {
        let first = self.values.first().map(|first| first.get());
        // What is stored is valid.
        match first.and_then(|first| serde_json::from_str(first).ok()) {
            Some(Value::Object(object)) => self.first = object,
            Some(other) => self.first = Map::from_iter([("value".to_owned(), other)]),
            None => {}
        }
        self
    }

    /// A field as text; empty if there is none, or it is no scalar.
    pub(crate) fn text(&self, name: &str) -> String {
        self.first.get(name).map(text).unwrap_or_default()
    }

    /// A field that is `true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.first.get(name) == Some(&Value::Bool(true))
    }

    /// A field that is a text which is not empty.
    pub(crate) fn string(&self, name: &str) -> Option<&str> {
        let text = self.first.get(name)?.as_str()?;
        Some(text).filter(|text| !text.is_empty())
    }

    /// The keys of a field that is an object, with their values as text.
    pub(crate) fn pairs(&self, name: &str) -> impl Iterator<Item = (&str, String)> {
        let object = self.first.get(name).and_then(Value::as_object);
        let pairs = object.into_iter().flatten();
        pairs.map(|(key, value)| (key.as_str(), text(value)))
    }

    /// Writes what is sent of these values: the field that `input.body` names, or all of them. False if there is
    /// nothing, and the event itself is to be sent.
    pub(crate) fn write_body(&self, field: &str, out: &mut Vec<u8>) -> bool {
        if !field.is_empty() {
            let object = self.first.get(field).filter(|value| value.is_object());
            match object {
                // As it was sent, digit by digit.
                Some(_) => out.extend_from_slice(self.raw(field).unwrap_or("{}").as_bytes()),
                None => out.extend_from_slice(b"{}"),
            }
            return true;
        }
        match &self.values[..] {
            [] => return false,
            [one] if one.get().starts_with('{') => out.extend_from_slice(one.get().as_bytes()),
            [one] => {
                out.extend_from_slice(b"{\"value\":");
                out.extend_from_slice(one.get().as_bytes());
                out.push(b'}');
            }
            several => {
                out.push(b'[');
                for (index, value) in several.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(value.get().as_bytes());
                }
                out.push(b']');
            }
        }
        true
    }

    /// A field of the first value, as it stands there.
    fn raw(&self, name: &str) -> Option<&'a str> {
        let first: std::collections::BTreeMap<String, &'a RawValue> =
            serde_json::from_str(self.values.first()?.get()).ok()?;
        first.get(name).map(|value| value.get())
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => plain(value),
        Value::String(value) => value.clone(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// Without an exponent.
fn plain(number: &serde_json::Number) -> String {
    match (number.is_f64(), number.as_f64()) {
        // Rust writes no exponents.
        (true, Some(value)) => value.to_string(),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::datum;

    fn data(values: &[&str]) -> Vec<Data> {
        let value = |json: &&str| datum(RawValue::from_string(json.to_string()).unwrap());
        values.iter().map(value).collect()
    }

    fn body(values: &[&str], field: &str) -> Option<String> {
        let data = data(values);
        let mut out = Vec::new();
        let fields = Fields::of(Some(&data)).read();
        let wrote = fields.write_body(field, &mut out);
        wrote.then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_body_is_the_values_as_they_were_sent() {
        for (values, field, expected) in [
            (&[][..], "", None),
            (&["null"], "", None),
            (
                &[r#"{"b":12345678901234567890,"a":1.0}"#],
                "",
                Some(r#"{"b":12345678901234567890,"a":1.0}"#),
            ),
            (&["5"], "", Some(r#"{"value":5}"#)),
            (&["[1,2]"], "", Some(r#"{"value":[1,2]}"#)),
            (&["null", r#""x""#], "", Some(r#"{"value":"x"}"#)),
            (&[r#"{"a":1}"#, "null", "2"], "", Some(r#"[{"a":1},2]"#)),
            (
                &[r#"{"a":{"n":12345678901234567890}}"#, "2"],
                "a",
                Some(r#"{"n":12345678901234567890}"#),
            ),
            (&[r#"{"a":5}"#], "a", Some("{}")),
            (&["5"], "a", Some("{}")),
            (&[], "a", Some("{}")),
        ] {
            assert_eq!(
                body(values, field).as_deref(),
                expected,
                "{values:?} {field}"
            );
        }
    }

    #[test]
    fn scalars_are_texts() {
        let data = data(&[
            r#"{"o":{"t":true,"n":1e21,"i":12345678901234567890,"f":0.5,"s":"x","z":null,"a":[1],"o":{}},"p":"/a","e":"","x":true}"#,
        ]);
        let fields = Fields::of(Some(&data)).read();
        let pairs: Vec<_> = fields.pairs("o").collect();
        let expected = [
            ("a", ""),
            ("f", "0.5"),
            ("i", "12345678901234567890"),
            ("n", "1000000000000000000000"),
            ("o", ""),
            ("s", "x"),
            ("t", "true"),
            ("z", ""),
        ];
        assert_eq!(pairs, expected.map(|(key, text)| (key, text.to_owned())));
        assert_eq!((fields.string("p"), fields.string("e")), (Some("/a"), None));
        assert!(fields.is_true("x") && fields.text("missing").is_empty());
    }
}
