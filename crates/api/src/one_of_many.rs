//! What does one message say that comes among many?
//!
//! A line of an upload, or a frame of a publishing socket: the body of a broadcast, or of a private message if it
//! names a group.

use photinus_contract::{CodedError, MessageKind};
use photinus_engine::{Handle, Lot, MessageText};

/// Reads and checks a message, gives it its id, and puts it into a lot.
pub(crate) async fn prepare(handle: &Handle, lot: &mut Lot, text: &[u8]) -> Result<(), CodedError> {
    let (kind, input) = read(text).inspect_err(|error| handle.count_refusal(error))?;
    let to_group = kind == MessageKind::Private;
    handle.prepare_in(lot, kind, to_group, &input).await
}

/// Reads exactly one object. The routes for one message ignore what follows it; here that would lose a message
/// whose line feed is missing.
pub(crate) fn read(text: &[u8]) -> Result<(MessageKind, MessageText<'_>), CodedError> {
    // A decoder would take a list for an object whose fields come in order.
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return Err(no_message("expected a JSON object"));
    }
    let text = std::str::from_utf8(text).map_err(no_message)?;
    let input: MessageText<'_> = serde_json::from_str(text).map_err(no_message)?;
    let members = input.group.as_ref().map(|group| &group.members);
    let names_group = input.header.group.is_some() || members.is_some_and(|all| !all.is_empty());
    let kind = match names_group {
        true => MessageKind::Private,
        false => MessageKind::Broadcast,
    };
    Ok((kind, input))
}

fn no_message(why: impl std::fmt::Display) -> CodedError {
    CodedError::bad_request("PH00453", format!("Not the JSON of one message: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_object_is_read() {
        for (text, expected) in [
            ("{}", Ok(MessageKind::Broadcast)),
            (" {} \r", Ok(MessageKind::Broadcast)),
            (r#"{"group":{"members":[]}}"#, Ok(MessageKind::Broadcast)),
            (
                r#"{"group":{"members":[{"identity":"a"}]}}"#,
                Ok(MessageKind::Private),
            ),
            (
                r#"{"header":{"group":"5aa762ae383fbb727af3c7a36d4940a5b8c40a989452d2304fc958ff3f354e7a"}}"#,
                Ok(MessageKind::Private),
            ),
            ("", Err("expected a JSON object")),
            ("[]", Err("expected a JSON object")),
            ("null", Err("expected a JSON object")),
            ("{}{}", Err("trailing characters")),
            ("{", Err("EOF")),
            (r#"{"header":5}"#, Err("invalid type")),
            ("{\"idempotencyKey\":\"\u{ff}\"", Err("EOF")),
        ] {
            match (read(text.as_bytes()), expected) {
                (Ok((kind, _)), Ok(expected)) => assert_eq!(kind, expected, "{text}"),
                (Err(error), Err(why)) => {
                    let start = format!("PH00453: Not the JSON of one message: {why}");
                    assert!(error.to_string().starts_with(&start), "{text}: {error}");
                }
                (found, _) => panic!("{text}: {found:?}, expected {expected:?}"),
            }
        }
        assert_eq!(read(b"{\"a\":\"\xff\"}").unwrap_err().code(), "PH00453");
    }
}
