//! Requests of all kinds, cut anywhere, through the parser: is each what was sent?

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Sent {
    url: String,
    header: String,
    body: Vec<u8>,
    /// The body is in chunks; with a length, or none, otherwise.
    is_chunked: bool,
    /// The service reads it.
    is_read: bool,
    /// The next one is sent when this one was answered.
    is_awaited: bool,
}

impl Sent {
    fn bytes(&self) -> Vec<u8> {
        let (url, header) = (&self.url, &self.header);
        let mut bytes = format!("POST /{url} HTTP/1.1\r\nx: {header}\r\n").into_bytes();
        bytes.extend(format!("is-read: {}\r\n", self.is_read).into_bytes());
        if self.is_chunked {
            bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
            for chunk in self.body.chunks(7) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).into_bytes());
            bytes.extend(&self.body);
        }
        bytes
    }
}

/// What bodies are made of.
const PARTS: [&str; 6] = [
    "GET /<x> HTTP/1.1\r\n",
    "x: <\r\n",
    "\r\n\r\n",
    "<>\"",
    "0\r\n\r\n",
    "a\n\n",
];

fn sent() -> impl Strategy<Value = Sent> {
    let body = prop::collection::vec(prop::sample::select(&PARTS[..]), 0..5)
        .prop_map(|parts| parts.concat().into_bytes());
    let url = "[a-z<>\"`#ä=&?]{0,8}";
    (
        url,
        "a[a-z<>\"# ]{0,8}z",
        body,
        any::<bool>(),
        prop::bool::weighted(0.8),
        any::<bool>(),
    )
        .prop_map(
            |(url, header, body, is_chunked, is_read, is_awaited)| Sent {
                url,
                header,
                body,
                is_chunked,
                is_read,
                is_awaited,
            },
        )
}

enum Step {
    Read(Vec<u8>),
    /// Nothing more, before so many requests were answered.
    Await(usize),
}

struct Client {
    steps: VecDeque<Step>,
    written: Vec<u8>,
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.steps.front() {
                None => return Poll::Ready(Ok(())),
                Some(Step::Await(count)) => {
                    let answer = b"HTTP/1.1 200 OK\r\n";
                    let answers = self.written.windows(answer.len());
                    if answers.filter(|part| part == answer).count() < *count {
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    self.steps.pop_front();
                }
                Some(Step::Read(piece)) => {
                    assert!(piece.len() <= buffer.remaining());
                    buffer.put_slice(piece);
                    self.steps.pop_front();
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.extend(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// All requests in pieces that end where it is said, or where an answer is awaited.
fn steps(all: &[Sent], cuts: &[usize]) -> VecDeque<Step> {
    let mut steps = VecDeque::new();
    let mut bytes = Vec::new();
    let mut at = 0;
    for (index, sent) in all.iter().enumerate() {
        for byte in sent.bytes() {
            bytes.push(byte);
            at += 1;
            if cuts.contains(&at) {
                steps.push_back(Step::Read(std::mem::take(&mut bytes)));
            }
        }
        if sent.is_awaited {
            if !bytes.is_empty() {
                steps.push_back(Step::Read(std::mem::take(&mut bytes)));
            }
            steps.push_back(Step::Await(index + 1));
        }
    }
    if !bytes.is_empty() {
        steps.push_back(Step::Read(bytes));
    }
    steps
}

/// The URL, the header and the body of what the service was asked.
type Asked = (String, Vec<u8>, Option<Vec<u8>>);

async fn asked(steps: VecDeque<Step>) -> Vec<Asked> {
    let conversation = Conversation::default();
    let heard = conversation.clone();
    let all = Arc::new(Mutex::new(Vec::new()));
    let noted = all.clone();
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let request = request.map(|body| heard.asked(body));
        let (noted, conversation) = (noted.clone(), heard.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = match head.headers["is-read"] == "true" {
                true => body
                    .collect()
                    .await
                    .ok()
                    .map(|body| body.to_bytes().to_vec()),
                false => None,
            };
            let header = head.headers["x"].as_bytes().to_vec();
            noted
                .lock()
                .unwrap()
                .push((head.uri.to_string(), header, body));
            conversation.answered();
            Ok::<_, Infallible>(http::Response::new(Body::empty()))
        }
    });
    let client = Client {
        steps,
        written: Vec::new(),
    };
    let connection = http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(Heads::new(client, conversation)), service);
    let _ = tokio::time::timeout(Duration::from_secs(20), connection)
        .await
        .expect("it ends");
    let mut all = all.lock().unwrap();
    std::mem::take(&mut *all)
}

proptest! {
    #[test]
    fn each_request_is_what_was_sent(
        all in prop::collection::vec(sent(), 1..5),
        cuts in prop::collection::vec(0usize..500, 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = runtime.block_on(asked(steps(&all, &cuts)));
        prop_assert!(asked.len() <= all.len());
        // Where one waits for the other and each body is read, nothing is refused.
        if all.iter().all(|sent| sent.is_awaited && sent.is_read) {
            prop_assert_eq!(asked.len(), all.len());
        }
        let mut is_clear = true;
        for ((url, header, body), sent) in asked.into_iter().zip(all) {
            prop_assert_eq!(header, sent.header.into_bytes());
            if let Some(body) = body {
                prop_assert_eq!(body, sent.body);
            }
            let escaped = format!("/{}", escaped(&sent.url));
            if is_clear {
                prop_assert_eq!(url, escaped);
            } else {
                // Nothing is changed where it is not clear that a head begins.
                let raw = format!("/{}", sent.url).parse::<http::Uri>();
                let is_raw = raw.is_ok_and(|raw| raw == url.as_str());
                prop_assert!(is_raw || url == escaped, "{} {}", url, sent.url);
            }
            is_clear &= sent.is_awaited && sent.is_read;
        }
    }
}
