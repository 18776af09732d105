//! Is each line of an upload answered once, in order, however its bytes arrive?
//!
//! The first byte of an input says how many bytes come at once, all others are the body.

use axum::body::{Body, Bytes};
use http::Request;
use serde_json::Value;

use crate::rest::{Answer, BODY_BYTES_MAX, Rest};
use crate::{errors, in_time};

/// The body of `messages/bulk`.
pub fn uploads(input: &[u8]) {
    in_time(input, || {
        let Some((piece, body)) = input.split_first() else {
            return;
        };
        Rest::with(|rest| {
            let whole = verdicts(rest, body, body.len().max(1));
            // What its keys have published is refused now, and nothing else is different.
            let pieces = verdicts(rest, body, usize::from(*piece).max(1));
            for (whole, again) in whole.iter().zip(&pieces) {
                assert_eq!(whole.0, again.0);
                assert!(
                    whole.1 == again.1 || again.1 == "FF10430",
                    "{whole:?} {again:?}"
                );
            }
            assert_eq!(whole.len(), pieces.len());
        });
    });
}

/// The number and the error code of each line that is not blank; an empty code if it was published.
fn verdicts(rest: &mut Rest, body: &[u8], piece: usize) -> Vec<(u64, String)> {
    let pieces: Vec<_> = body
        .chunks(piece)
        .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
        .collect();
    let request = Request::post("/api/v1/messages/bulk")
        .header("content-type", "application/x-ndjson")
        .body(Body::from_stream(futures_util::stream::iter(pieces)))
        .unwrap();
    let answer: Answer = rest.send(request);
    assert_eq!(answer.status, 200);
    let mut answers = answer
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice::<Value>(line).unwrap());
    let mut last = 0;
    let mut verdicts = Vec::new();
    for (number, line) in (1..).zip(body.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_blank = line.iter().all(u8::is_ascii_whitespace);
        if is_blank && line.len() <= BODY_BYTES_MAX {
            continue;
        }
        let answer = answers.next().expect("each line is answered");
        let Some(error) = answer["error"].as_str() else {
            let sequence = answer["sequence"].as_i64().unwrap();
            assert!(sequence > last, "sequences rise");
            assert!(answer["id"].is_string(), "{answer}");
            last = sequence;
            verdicts.push((number, String::new()));
            continue;
        };
        assert_eq!(answer["line"], number, "{answer}");
        assert_eq!(answer.as_object().unwrap().len(), 2, "{answer}");
        let code = errors::code(error).expect("each error has a code");
        assert_eq!(code == "PH00413", line.len() > BODY_BYTES_MAX, "{answer}");
        verdicts.push((number, code.to_owned()));
    }
    assert_eq!(answers.next(), None, "and nothing else is");
    verdicts
}
