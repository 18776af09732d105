//! What must a message be that asks for a reply?

use photinus_contract::{CodedError, MessageKind};
use photinus_engine::MessageText;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The body of a request that waits for a reply.
pub(crate) struct RequestInput<'a> {
    pub(crate) message: MessageText<'a>,
    /// Kept if it is given; elsewhere the route decides it.
    pub(crate) kind: Option<MessageKind>,
}

impl RequestInput<'_> {
    /// The checks that come before all others, in FireFly's order.
    pub(crate) fn check(&self) -> Result<(), CodedError> {
        let header = &self.message.header;
        let members = self.message.group.as_ref().map(|group| &group.members);
        if header.group.is_none() && members.is_none_or(Vec::is_empty) {
            return Err(CodedError::bad_request(
                "FF10271",
                "For request messages a group of private recipients must be given: 'group.members', or a known 'header.group'",
            ));
        }
        if header.tag.is_empty() {
            return Err(CodedError::bad_request(
                "FF10261",
                "For request messages 'header.tag' must be set, to route them to whoever replies",
            ));
        }
        if header.cid.is_some() {
            return Err(CodedError::bad_request(
                "FF10262",
                "For request messages 'header.cid' must be unset",
            ));
        }
        Ok(())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OnlyHeader {
    header: Option<OnlyType>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OnlyType {
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl<'de> Deserialize<'de> for RequestInput<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?;
        let message = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        let only: OnlyHeader = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        let kind = only.header.unwrap_or_default().kind.unwrap_or_default();
        let kind = match kind.to_ascii_lowercase().as_str() {
            "" => None,
            "private" => Some(MessageKind::Private),
            "broadcast" => Some(MessageKind::Broadcast),
            _ => {
                let text = format!(
                    "header.type: unknown type `{kind}`, expected `private` or `broadcast`"
                );
                return Err(D::Error::custom(text));
            }
        };
        Ok(Self { message, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RequestInput<'_>, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_type_is_kept_in_any_case_and_an_unknown_one_is_refused() {
        for (header, expected) in [
            ("{}", None),
            ("null", None),
            (r#"{"type":null}"#, None),
            (r#"{"type":""}"#, None),
            (r#"{"type":"Private"}"#, Some(MessageKind::Private)),
            (r#"{"type":"broadcast"}"#, Some(MessageKind::Broadcast)),
        ] {
            let text = format!(r#"{{"header":{header}}}"#);
            let request = read(&text).unwrap();
            assert_eq!(request.kind, expected, "{header}");
        }
        for (body, expected) in [
            ("null", "invalid type: null"),
            (
                r#"{"header":{"type":"definition"}}"#,
                "header.type: unknown",
            ),
            (r#"{"header":{"type":5}}"#, "invalid type: integer"),
            (r#"{"header":{"tag":5}}"#, "invalid type: integer"),
        ] {
            let error = read(body).err().unwrap();
            assert!(error.starts_with(expected), "{body}: {error}");
        }
    }
}
