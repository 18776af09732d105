//! What did a receiver answer?

mod wishes;

use std::io::Read as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use flate2::read::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use photinus_contract::Timestamp;
use photinus_contract::intake;
use photinus_contract::message::MessageInput;
use photinus_contract::{Event, Report};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

pub(crate) use self::wishes::Wish;
use crate::settings::Reply;

/// How much of an answer an operator sees, in bytes.
const EXCERPT_BYTES: usize = 512;

/// An answer, as much of it as is read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// There is more of it than is read.
    pub(crate) is_cut: bool,
}

impl Answer {
    /// Reads an answer to its end, or to a limit; what goes on behind it ends the connection. So much of it is kept.
    /// The error says why it has no end.
    pub(crate) async fn read(
        response: Response<Incoming>,
        kept_max: usize,
        max: usize,
    ) -> Result<Self, String> {
        let (head, mut body) = response.into_parts();
        let mut kept = BytesMut::new();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| format!("the answer has no end: {error}"))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let room = kept_max.min(max) - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
            length += data.len();
            if length > max {
                break;
            }
        }
        let mut answer = Self {
            status: head.status,
            headers: head.headers,
            is_cut: length > kept.len(),
            body: kept.freeze(),
        };
        answer.unpack(kept_max.min(max))?;
        Ok(answer)
    }

    fn unpack(&mut self, max: usize) -> Result<(), String> {
        let coding = self.headers.get(CONTENT_ENCODING);
        let is_gzip = coding.is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"gzip"));
        if !is_gzip || self.body.is_empty() {
            return Ok(());
        }
        let mut unpacked = Vec::new();
        let mut unpacking = MultiGzDecoder::new(&self.body[..]).take(max as u64 + 1);
        let done = unpacking.read_to_end(&mut unpacked);
        match done {
            Ok(_) => {}
            // Its end was not read.
            Err(_) if self.is_cut => {}
            Err(error) => {
                return Err(format!(
                    "the answer is not the gzip that it should be: {error}"
                ));
            }
        }
        self.is_cut |= unpacked.len() > max;
        unpacked.truncate(max);
        self.body = unpacked.into();
        self.headers.remove(CONTENT_ENCODING);
        self.headers.remove(http::header::CONTENT_LENGTH);
        Ok(())
    }

    /// What the receiver wishes besides its status.
    pub(crate) fn wish(&self, now: Timestamp) -> Wish {
        Wish::of(&self.headers, now)
    }

    /// For the attempt log.
    pub(crate) fn report(&self, duration: Duration) -> Report {
        let mut report = Report::default();
        report.status = Some(self.status.as_u16());
        report.duration = Some(duration);
        let end = self.body.len().min(EXCERPT_BYTES);
        let excerpt = String::from_utf8_lossy(&self.body[..end]).into_owned();
        report.excerpt = Some(excerpt).filter(|excerpt| !excerpt.is_empty());
        report
    }

    /// What a reply holds: the status, the first of each header, and the body. The error says why that cannot be.
    pub(crate) fn to_reply(&self, is_json: bool) -> Result<Box<RawValue>, String> {
        if self.is_cut {
            return Err(format!(
                "the answer is larger than {} bytes ([transports.webhooks] response_bytes_max)",
                self.body.len()
            ));
        }
        let mut headers = Map::new();
        for name in self.headers.keys() {
            let value = String::from_utf8_lossy(self.headers[name].as_bytes());
            headers.insert(canonical(name.as_str()), value.into_owned().into());
        }
        let kind = self.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
        let is_json = is_json || kind.is_some_and(|kind| kind.starts_with(b"application/json"));
        if is_json {
            headers.insert("Content-Type".to_owned(), "application/json".into());
        } else {
            headers.entry("Content-Type").or_insert("".into());
        }
        let body = match is_json {
            true => {
                let text = std::str::from_utf8(&self.body).ok();
                let parsed = text.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
                parsed
                    .map(|parsed| parsed.get().to_owned())
                    .ok_or("FF10257: The answer is not the JSON that it should be")?
            }
            false => Value::from(BASE64.encode(&self.body)).to_string(),
        };
        let (status, headers) = (self.status.as_u16(), Value::Object(headers));
        let text = format!(r#"{{"status":{status},"headers":{headers},"body":{body}}}"#);
        RawValue::from_string(text).map_err(|error| error.to_string())
    }
}

/// What a reply holds where there is no answer.
pub(crate) fn no_answer(error: &str) -> Box<RawValue> {
    let reply = json!({
        "status": 502,
        "headers": {"Content-Type": "application/json"},
        "body": {"error": error},
    });
    // What was a value is valid as text.
    RawValue::from_string(reply.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The message that answers an event's message. Its group is that of the one it answers.
pub(crate) fn reply(
    event: &Event,
    reply: &Reply,
    txtype: Option<&str>,
    value: Box<RawValue>,
) -> Box<MessageInput> {
    let mut message = intake::reply(event, value, "", &reply.tag);
    message.header.txtype = txtype.unwrap_or(&reply.txtype).to_owned();
    message
}

/// `My-Header`.
fn canonical(name: &str) -> String {
    let mut is_first = true;
    let canonical = name.chars().map(|letter| {
        let first = std::mem::replace(&mut is_first, letter == '-');
        match first {
            true => letter.to_ascii_uppercase(),
            false => letter.to_ascii_lowercase(),
        }
    });
    canonical.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn answer(kind: &'static str, body: &'static [u8]) -> Answer {
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        headers.append("x-a-b", HeaderValue::from_static("1"));
        headers.append("x-a-b", HeaderValue::from_static("2"));
        Answer {
            status: StatusCode::CREATED,
            headers,
            body: Bytes::from_static(body),
            is_cut: false,
        }
    }

    #[test]
    fn a_reply_is_json_as_it_was_or_base64() {
        let reply =
            |answer: Answer, is_json| answer.to_reply(is_json).map(|reply| reply.get().to_owned());
        assert_eq!(
            reply(
                answer(
                    "application/json; charset=utf-8",
                    br#"{"n":12345678901234567890}"#
                ),
                false
            )
            .unwrap(),
            r#"{"status":201,"headers":{"Content-Type":"application/json","X-A-B":"1"},"body":{"n":12345678901234567890}}"#
        );
        assert_eq!(
            reply(answer("", b"hi"), false).unwrap(),
            r#"{"status":201,"headers":{"Content-Type":"","X-A-B":"1"},"body":"aGk="}"#
        );
        assert_eq!(
            reply(answer("text/plain", b"5"), true).unwrap(),
            r#"{"status":201,"headers":{"Content-Type":"application/json","X-A-B":"1"},"body":5}"#
        );
        for body in [&b""[..], b"{", b"\xff", b"1 2"] {
            let error = reply(answer("application/json", body), false).unwrap_err();
            assert!(error.starts_with("FF10257"), "{error}");
        }
        let mut cut = answer("text/plain", b"5");
        cut.is_cut = true;
        assert!(
            reply(cut, false)
                .unwrap_err()
                .contains("response_bytes_max")
        );
    }

    #[test]
    fn what_is_packed_is_unpacked_to_a_limit() {
        use std::io::Write;
        let mut packing = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packing.write_all(&vec![b'a'; 1 << 20]).unwrap();
        let packed: Bytes = packing.finish().unwrap().into();
        let gzip = |body: Bytes| {
            let mut answer = answer("text/plain", b"");
            answer.body = body;
            answer
                .headers
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            answer
        };
        let mut whole = gzip(packed.clone());
        whole.unpack(1 << 20).unwrap();
        assert_eq!((whole.body.len(), whole.is_cut), (1 << 20, false));
        let mut cut = gzip(packed.clone());
        cut.unpack(1000).unwrap();
        assert_eq!((cut.body.len(), cut.is_cut), (1000, true));
        let mut broken = gzip(packed.slice(..packed.len() / 2));
        assert!(broken.unpack(1 << 20).is_err());
    }
}
