use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

proptest! {
    #[test]
    fn nothing_but_the_first_line_is_ever_changed(
        empty in "(\r\n){0,2}",
        line in "[a-z<>\"`ä /?=%&]{1,40}",
        rest in prop::collection::vec(any::<u8>(), 0..60),
        cuts in prop::collection::vec(0usize..140, 0..8),
        size in 1usize..50,
    ) {
        let mut all = format!("{empty}{line}\r\n").into_bytes();
        let changed: String = line
            .bytes()
            .map(|byte| if is_raw(byte) { format!("%{byte:02X}") } else { char::from(byte).to_string() })
            .collect();
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
    let router = Router::new()
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
