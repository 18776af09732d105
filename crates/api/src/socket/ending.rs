//! How does a publishing socket end?

use photinus_contract::CodedError;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// How it ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// The client is gone, or takes nothing; nothing can be said to it.
    Gone(&'static str),
    /// The client said so and was answered.
    Closed,
    /// We say so.
    Close(CloseCode, &'static str),
    /// We say so, and why.
    Refused(CloseCode, CodedError),
}

/// The text of a frame, if it is one, or how the conversation ends with it.
pub(super) fn text_of(
    message: Option<Result<Message, Error>>,
) -> Result<Option<Utf8Bytes>, Ending> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => {
            let text = "A message is a text frame; binary frames are not taken";
            let error = CodedError::bad_request("PH00453", text);
            Err(Ending::Refused(CloseCode::Unsupported, error))
        }
        Some(Ok(Message::Close(_))) => Err(Ending::Closed),
        Some(Err(error)) => Err(ending_of(error)),
        None => Err(Ending::Gone("the connection ended")),
    }
}

/// What an error of the codec means for the connection.
fn ending_of(error: Error) -> Ending {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            let text = format!("Frame too large: at most {max_size} bytes ([api] body_bytes_max)");
            Ending::Refused(CloseCode::Size, CodedError::new("PH00413", 413, text))
        }
        Error::Utf8(text) => {
            let text = format!("Not the JSON of one message: not UTF-8: {text}");
            Ending::Refused(CloseCode::Invalid, CodedError::bad_request("PH00453", text))
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            Ending::Gone("it was closed without a word")
        }
        Error::Protocol(_) => Ending::Close(CloseCode::Protocol, ""),
        _ => Ending::Gone("it cannot be read from"),
    }
}
