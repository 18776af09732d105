//! Is what the server wrote made of frames?

use serde_json::Value;

use crate::errors;

/// What follows the answer to an upgrade; nothing if the upgrade was refused, with an error that has a code.
pub(super) fn upgraded(answer: &[u8]) -> Option<&[u8]> {
    const SWITCHED: &[u8] = b"HTTP/1.1 101 ";
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {}", shown(answer))) + 4;
    if answer.starts_with(SWITCHED) {
        return Some(&answer[end..]);
    }
    let head = shown(&answer[..end]);
    let status: u16 = head[9..12].parse().unwrap();
    // More answers may follow: what the client went on sending is taken for requests.
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    if length > 0 {
        let body: Value = serde_json::from_slice(&answer[end..end + length]).unwrap();
        errors::check_text(status, body["error"].as_str().unwrap());
    } else {
        // The HTTP parser's own refusal.
        assert!((400..500).contains(&status), "{head}");
    }
    None
}

/// Every frame is whole, final and unmasked, texts are JSON of a known type, and nothing follows a close.
pub(super) fn check(mut bytes: &[u8]) {
    let mut closed = false;
    while let [head, length, rest @ ..] = bytes {
        assert!(!closed, "frames after a close frame");
        assert_eq!(head & 0xF0, 0x80, "final, and no extension");
        let (length, rest) = match length {
            126 => {
                let (length, rest) = rest.split_first_chunk::<2>().unwrap();
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk::<8>().unwrap();
                (usize::try_from(u64::from_be_bytes(*length)).unwrap(), rest)
            }
            short => {
                assert!(*short < 126, "a server's frames are not masked");
                (usize::from(*short), rest)
            }
        };
        let (payload, rest) = rest.split_at_checked(length).expect("whole frames");
        match head & 0xF {
            1 => text(payload),
            8 => {
                closed = true;
                if let Some((code, reason)) = payload.split_first_chunk::<2>() {
                    let code = u16::from_be_bytes(*code);
                    assert!((1000..5000).contains(&code), "close code {code}");
                    assert!(std::str::from_utf8(reason).is_ok());
                }
            }
            10 => assert!(length < 126),
            opcode => panic!("opcode {opcode}"),
        }
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a frame at the end");
}

fn text(payload: &[u8]) {
    let frame: Value = serde_json::from_slice(payload)
        .unwrap_or_else(|error| panic!("{error}: {}", shown(payload)));
    match frame["type"].as_str() {
        Some("protocol_error") => errors::check_text(400, frame["error"].as_str().unwrap()),
        Some("message_confirmed") => {
            for key in ["id", "sequence", "subscription", "delivery"] {
                assert!(!frame[key].is_null(), "{key}: {frame}");
            }
        }
        Some("change_notification") => {
            assert!(frame["changeEvent"]["type"].is_string(), "{frame}");
        }
        Some("event_batch") => assert!(frame["events"].is_array(), "{frame}"),
        other => panic!("{other:?}: {frame}"),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
