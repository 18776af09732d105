mod whole;

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::first_line::is_raw;
use super::*;
use crate::listen::{Port, Serving};

/// Gives its pieces one read each.
struct Pieces(Vec<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = (!self.0.is_empty()).then(|| self.0.remove(0)) {
            if piece.len() > buffer.remaining() {
                let more = piece.split_off(buffer.remaining());
                self.0.insert(0, more);
            }
            buffer.put_slice(&piece);
        }
        Poll::Ready(Ok(()))
    }
}

/// What is read of these pieces, in reads of that size. Of the second request, whatever it is, nothing is expected.
fn read(pieces: Vec<Vec<u8>>, size: usize) -> Vec<u8> {
    let mut heads = Heads::new(Pieces(pieces), Conversation::default());
    let mut context = Context::from_waker(std::task::Waker::noop());
    let mut all = Vec::new();
    loop {
        let mut buffer = vec![0; size];
        let mut buffer = ReadBuf::new(&mut buffer);
        let read = Pin::new(&mut heads).poll_read(&mut context, &mut buffer);
        assert!(matches!(read, Poll::Ready(Ok(()))));
        if buffer.filled().is_empty() {
            return all;
        }
        all.extend_from_slice(buffer.filled());
    }
}

/// A URL as the parser is given it.
fn escaped(url: &str) -> String {
    let escape = |byte| match is_raw(byte) {
        true => format!("%{byte:02X}"),
        false => char::from(byte).to_string(),
    };
    url.bytes().map(escape).collect()
}

proptest! {
    #[test]
    fn nothing_but_the_first_line_is_ever_changed(
        empty in "(\r\n){0,2}",
        line in "[a-z<>\"`#ä /?=%&]{1,40}",
        rest in prop::collection::vec(any::<u8>(), 0..60),
        cuts in prop::collection::vec(0usize..140, 0..8),
        size in 1usize..50,
    ) {
        let mut all = format!("{empty}{line}\r\n").into_bytes();
        // What is before the first space is the method.
        let (method, url) = line.split_once(' ').map_or((&*line, None), |(method, url)| (method, Some(url)));
        let changed = url.map_or(method.to_owned(), |url| format!("{method} {}", escaped(url)));
        let mut expected = format!("{empty}{changed}\r\n").into_bytes();
        all.extend(&rest);
        expected.extend(&rest);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(all.len())).collect();
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([all.len()]);
        let mut begin = 0;
        let mut pieces = Vec::new();
        for end in ends {
            if end > begin {
                pieces.push(all[begin..end].to_vec());
            }
            begin = end;
        }
        prop_assert_eq!(read(pieces, size), expected);
    }
}

async fn serve() -> (TcpStream, Serving) {
    let echo = |request: Request| async move {
        let uri = request.uri().to_string();
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await;
        format!("{uri} {}.", String::from_utf8_lossy(&body.unwrap()))
    };
    // Its body is never read.
    let deaf = || async { "deaf." };
    let header =
        |request: Request| async move { format!("{}.", request.headers()["x"].to_str().unwrap()) };
    let router = Router::new()
        .route("/header", routing::any(header))
        .route("/echo", routing::any(echo))
        .route("/deaf", routing::get(deaf).post(deaf));
    let port = Port::take("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = port.address();
    let serving = port.serve(router, 10).unwrap();
    (TcpStream::connect(address).await.unwrap(), serving)
}

/// Sends the pieces, each in a packet, and reads what is answered up to the end of its body.
async fn ask(stream: &mut TcpStream, pieces: &[&str]) -> String {
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    let reading = async {
        while !(answer.ends_with(b".") || answer.ends_with(b"}\n")) {
            if stream.read_buf(&mut answer).await.unwrap() == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading)
        .await
        .unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn one_connection_asks_in_raw_signs_again_and_again() {
    let (mut stream, _serving) = serve().await;
    let answer = ask(
        &mut stream,
        &["GET /echo?a=<b>\"` HTTP/1.1\r\nhost: a\r\n\r\n"],
    )
    .await;
    assert!(answer.ends_with("/echo?a=%3Cb%3E%22%60 ."), "{answer}");
    // A body is what it is, and the next head is expected behind it.
    let head = "POST /echo?a=> HTTP/1.1\r\nhost: a\r\ncontent-length: 24\r\n\r\n";
    let body = "GET /x?<> HTTP/1.1\r\n\r\n<>";
    for pieces in [&[head, body][..], &[&format!("{head}{body}")]] {
        let answer = ask(&mut stream, pieces).await;
        assert!(
            answer.ends_with(&format!("/echo?a=%3E {body}.")),
            "{answer}"
        );
    }
    let head = "POST /echo?> HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = ask(&mut stream, &[head, "3\r\n<>\n\r\n", "0\r\n\r\n"]).await;
    assert!(answer.ends_with("/echo?%3E <>\n."), "{answer}");
    let answer = ask(
        &mut stream,
        &["GET /echo?ä", "=> HTTP/1.1\r\nhost: a\r\n\r\n"],
    )
    .await;
    assert!(answer.ends_with("/echo?%C3%A4=%3E ."), "{answer}");
}

#[tokio::test]
async fn behind_a_body_that_nobody_read_nothing_is_changed() {
    let (mut stream, _serving) = serve().await;
    let head = "POST /deaf HTTP/1.1\r\nhost: a\r\ncontent-length: 30\r\n\r\n";
    assert!(ask(&mut stream, &[head]).await.ends_with("deaf."));
    // These are the thirty bytes: were they longer, the next head would begin elsewhere.
    let body = "<<<<<<<<<<<<<<<<<<<<<<<<<<<<\r\n";
    let next = "GET /echo HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = ask(&mut stream, &[body, next]).await;
    // (The parser may have closed the connection instead.)
    assert!(answer.is_empty() || answer.ends_with("/echo ."), "{answer}");
}

#[tokio::test]
async fn what_is_no_request_is_answered_in_words() {
    for (request, status) in [
        ("BLAH\r\n\r\n".to_owned(), "400"),
        ("GET /a\u{1}b HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), "400"),
        ("GET /echo HTTP/1.1\r\nno header\r\n\r\n".to_owned(), "400"),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)),
            "414",
        ),
        (
            format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b\r\nc: ".repeat(200)),
            "431",
        ),
    ] {
        let (mut stream, _serving) = serve().await;
        let answer = ask(&mut stream, &[&request]).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{answer}"
        );
        assert!(body.starts_with("{\"error\":\"PH00400: "), "{answer}");
    }
}

#[tokio::test]
async fn a_line_is_understood_however_it_is_cut() {
    let head = "\r\nGET /echo?a=<\"#` HTTP/1.1\r\nx: <\r\n\r\n";
    let (mut stream, _serving) = serve().await;
    for cut in 1..head.len() {
        let (begin, end) = head.split_at(cut);
        let answer = ask(&mut stream, &[begin, end]).await;
        assert!(
            answer.ends_with("/echo?a=%3C%22%23%60 ."),
            "{cut}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_method_is_not_changed() {
    let (mut stream, _serving) = serve().await;
    let answer = ask(&mut stream, &["G<T /echo HTTP/1.1\r\nhost: a\r\n\r\n"]).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_head_of_which_a_part_came_with_the_last_body_is_not_changed() {
    let (mut stream, _serving) = serve().await;
    let first = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok";
    let answer = ask(
        &mut stream,
        &[&format!("{first}GET /header HTTP/1.1\r\nx: a")],
    )
    .await;
    assert!(answer.ends_with("/echo ok."), "{answer}");
    let answer = ask(&mut stream, &["b c<d\r\n\r\n"]).await;
    assert!(answer.ends_with("ab c<d."), "{answer}");
    // Behind it, all is clear again.
    let answer = ask(&mut stream, &["GET /echo?< HTTP/1.1\r\n\r\n"]).await;
    assert!(answer.ends_with("/echo?%3C ."), "{answer}");
}

#[tokio::test]
async fn a_url_at_the_limit_is_answered_and_one_above_is_refused() {
    for (signs, status) in [
        (20_000, "200"),
        (21_840, "200"),
        (21_850, "414"),
        (100_000, "414"),
    ] {
        let (mut stream, _serving) = serve().await;
        let head = format!("GET /echo?{} HTTP/1.1\r\n\r\n", "<".repeat(signs));
        let answer = ask(&mut stream, &[&head]).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{signs}: {}",
            &answer[..60]
        );
    }
}

/// A body whose pieces are each written alone.
struct Slowly(Vec<&'static str>, bool);

impl axum::body::HttpBody for Slowly {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
        self.1 = !self.1;
        if self.1 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = self.0.pop();
        Poll::Ready(piece.map(|piece| Ok(http_body::Frame::data(Bytes::from(piece)))))
    }
}

#[tokio::test]
async fn what_looks_like_a_refusal_in_an_answer_stays() {
    const LIKE: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let answer = || async {
        let length = [("content-length", (LIKE.len() + 1).to_string())];
        let body = axum::body::Body::new(Slowly(vec![".", LIKE], false));
        (axum::response::AppendHeaders(length), body)
    };
    let port = Port::take("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = port.address();
    let router = Router::new().route("/", routing::get(answer));
    let _serving = port.serve(router, 10).unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = ask(&mut stream, &["GET / HTTP/1.1\r\n\r\n"]).await;
    assert!(answer.ends_with(&format!("\r\n\r\n{LIKE}.")), "{answer}");
}

#[tokio::test]
async fn a_client_that_goes_on_sending_is_told_that_it_made_no_request() {
    let (mut stream, _serving) = serve().await;
    stream.write_all(b"BLAH\r\n\r\n").await.unwrap();
    // It has not looked yet. Its connection would be reset, and the answer lost, were this not read.
    let mut sent = 0;
    while sent < 20 {
        stream.write_all(&[b'x'; 10_000]).await.unwrap();
        sent += 1;
        tokio::task::yield_now().await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("is malformed\"}\n"), "{answer}");
}

#[tokio::test]
async fn what_is_sent_in_another_protocol_is_not_changed() {
    let upgrade = |mut request: Request| async move {
        let upgraded = hyper::upgrade::on(&mut request);
        let echo = async move {
            let mut stream = hyper_util::rt::TokioIo::new(upgraded.await.unwrap());
            let mut said = [0; 64];
            loop {
                let length = stream.read(&mut said).await.unwrap();
                if length == 0 || stream.write_all(&said[..length]).await.is_err() {
                    return;
                }
            }
        };
        // The task ends with the client.
        tokio_util::task::TaskTracker::new().spawn(echo);
        http::Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "echo")
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let router = Router::new().route("/", routing::any(upgrade));
    let port = Port::take("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = port.address();
    let _serving = port.serve(router, 10).unwrap();
    let head = "GET /?<< HTTP/1.1\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    // With the head, and behind it.
    let early = "GET /?<> HTTP/1.1\r\n\r\n";
    for first in [head.to_owned(), format!("{head}{early}")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(first.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        while !heard.windows(4).any(|four| four == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
        }
        assert!(heard.starts_with(b"HTTP/1.1 101"));
        for _ in 0..2 {
            stream.write_all(early.as_bytes()).await.unwrap();
        }
        let frames = early.repeat(2 + usize::from(first != head));
        while !heard.ends_with(frames.as_bytes()) {
            assert_ne!(
                stream.read_buf(&mut heard).await.unwrap(),
                0,
                "{}",
                heard.escape_ascii()
            );
        }
    }
}
