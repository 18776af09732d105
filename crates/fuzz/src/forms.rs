//! Is a form with a file taken whole or refused, however its bytes arrive?
//!
//! The first byte of an input says how many bytes come at once, all others are the body. Its boundary is `b`.

use axum::body::{Body, Bytes};
use http::Request;
use serde_json::Value;

use crate::rest::{Answer, Rest};
use crate::{errors, in_time};

/// The body of `data`, as a form.
pub fn forms(input: &[u8]) {
    in_time(input, || {
        let Some((piece, body)) = input.split_first() else {
            return;
        };
        Rest::with(|rest| {
            let whole = verdict(rest, body, body.len().max(1));
            let pieces = verdict(rest, body, usize::from(*piece).max(1));
            assert_eq!(whole, pieces);
        });
    });
}

/// What is said of the file, or the error code.
fn verdict(rest: &mut Rest, body: &[u8], piece: usize) -> Result<(Value, Value), String> {
    let pieces: Vec<_> = body
        .chunks(piece)
        .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
        .collect();
    let request = Request::post("/api/v1/data")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Body::from_stream(futures_util::stream::iter(pieces)))
        .unwrap();
    let answer: Answer = rest.send(request);
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    if answer.status != 201 {
        let code = errors::code(said["error"].as_str().unwrap());
        assert!((400..500).contains(&answer.status), "{said}");
        return Err(code.unwrap_or_default().to_owned());
    }
    let (id, blob) = (said["id"].as_str().unwrap(), &said["blob"]);
    let file = rest.get(&format!("/api/v1/data/{id}/blob"));
    assert_eq!(file.status, 200);
    assert_eq!(blob["size"], file.body.len());
    let content = file.body;
    assert!(content.is_empty() || body.windows(content.len()).any(|part| part == &content[..]));
    let one = rest.get(&format!("/api/v1/data/{id}"));
    assert_eq!(serde_json::from_slice::<Value>(&one.body).unwrap(), said);
    Ok((blob.clone(), said["value"].clone()))
}
