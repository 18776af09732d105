//! What do the frames of a publishing socket say, besides the message?

use std::fmt::Write;

use photinus_contract::CodedError;
use photinus_contract::transport::Published;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest `ref`, in bytes as it is written.
const REF_BYTES_MAX: usize = 256;

/// A client's own name for a message: a JSON text or number, which is given back as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ref(Option<Box<str>>);

#[derive(Deserialize)]
struct OnlyRef<'a> {
    #[serde(borrow, default, rename = "ref")]
    reference: Option<&'a RawValue>,
}

impl Ref {
    /// The `ref` of a frame. A frame that is no object has none, which whoever reads the message says.
    pub(crate) fn of(frame: &str) -> Result<Self, CodedError> {
        // A decoder would take a list for an object whose fields come in order.
        let object = Some(frame).filter(|frame| frame.trim_ascii_start().starts_with('{'));
        let read = match object.map(serde_json::from_str) {
            Some(Ok(OnlyRef { reference })) => reference,
            Some(Err(error)) if error.to_string().starts_with("duplicate field") => {
                let text = "Field 'ref' is given twice";
                return Err(CodedError::bad_request("PH00452", text));
            }
            _ => None,
        };
        let Some(reference) = read else {
            return Ok(Self(None));
        };
        let text = reference.get();
        let is_scalar = text.starts_with(|first: char| matches!(first, '"' | '-' | '0'..='9'));
        if !is_scalar || text.len() > REF_BYTES_MAX {
            return Err(CodedError::bad_request(
                "PH00452",
                format!("Field 'ref' must be a text or a number of at most {REF_BYTES_MAX} bytes"),
            ));
        }
        Ok(Self(Some(text.into())))
    }
}

/// The frame that answers a message. It ends with a line feed, as all frames of this server do.
pub(crate) fn answer(reference: &Ref, answer: &Result<Published, CodedError>) -> String {
    let mut text = String::with_capacity(160);
    text.push_str(match answer {
        Ok(_) => r#"{"type":"published""#,
        Err(_) => r#"{"type":"error""#,
    });
    if let Ref(Some(reference)) = reference {
        text.push_str(r#","ref":"#);
        text.push_str(reference);
    }
    // Writing to a String does not fail.
    let _ = match answer {
        Ok(Published { id, sequence, .. }) => {
            write!(text, r#","id":"{id}","sequence":{sequence}}}"#)
        }
        Err(error) => {
            let error = serde_json::Value::from(error.to_string());
            write!(text, r#","error":{error}}}"#)
        }
    };
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use photinus_contract::{MessageId, Sequence};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_ref_is_given_back_as_it_was_written() {
        let id = MessageId::from_v7("01900000-0000-7000-8000-000000000000".parse().unwrap());
        let published = Ok(Published::new(id, Sequence(7)));
        for (frame, expected) in [
            (r#"{"ref":"a\u0041\"","x":1}"#, Some(r#""a\u0041\"""#)),
            (r#"{"x":{"ref":1},"ref":-1.50e3}"#, Some("-1.50e3")),
            (
                r#"{"ref":12345678901234567890123}"#,
                Some("12345678901234567890123"),
            ),
            (r#"{"ref":null}"#, None),
            ("{}", None),
            ("nonsense", None),
            (r#"["ref"]"#, None),
        ] {
            let found = Ref::of(frame).unwrap();
            assert_eq!(found.0.as_deref(), expected, "{frame}");
            let text = answer(&found, &published);
            let shown: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (&shown["type"], &shown["sequence"]),
                (&json!("published"), &json!(7))
            );
            assert_eq!(shown["id"], id.to_string());
            assert_eq!(shown.get("ref").is_some(), expected.is_some(), "{text}");
            let error = answer(&found, &Err(CodedError::undecodable("\"")));
            let shown: Value = serde_json::from_str(&error).unwrap();
            assert_eq!(
                (&shown["type"], &shown["error"]),
                (&json!("error"), &json!("\""))
            );
        }
        let long = format!(r#"{{"ref":"{}"}}"#, "x".repeat(255));
        for frame in [
            &long,
            r#"{"ref":true}"#,
            r#"{"ref":{}}"#,
            r#"{"ref":[1]}"#,
            r#"{"ref":1,"ref":2}"#,
        ] {
            assert_eq!(Ref::of(frame).unwrap_err().code(), "PH00452", "{frame}");
        }
    }
}
