use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;

/// More than the kernel takes of what nobody reads.
const MUCH: usize = 32 << 20;

fn client(allow: &[&str], proxy: Option<(SocketAddr, bool)>) -> Arc<Client> {
    let allow: Vec<_> = allow.iter().map(|entry| entry.to_string()).collect();
    let allowed = Allowed::parse(&allow).unwrap();
    let clients = Clients::new(allowed, [], TaskTracker::new());
    let seconds = Duration::from_secs;
    clients.client(&ClientKey {
        proxy: proxy.map(|(address, _)| format!("http://u:p@{address}").parse().unwrap()),
        is_proxy_trusted: proxy.is_some_and(|(_, is_trusted)| is_trusted),
        tls: None,
        connection_timeout: seconds(10),
        tls_handshake_timeout: seconds(10),
        idle_timeout: seconds(10),
        idle_max: 8,
        http1_only: true,
    })
}

fn request(method: &str, url: String, body: Vec<u8>) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(url);
    request.body(Bytes::from(body)).unwrap()
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Reads until the end of a head.
async fn head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

fn loopback() -> Arc<Client> {
    client(&["127.0.0.0/8"], None)
}

#[tokio::test]
async fn a_request_is_told_to_be_sent_before_there_is_an_answer() {
    for (method, body) in [("POST", b"hello".to_vec()), ("GET", Vec::new())] {
        let (listener, address) = listener().await;
        let client = loopback();
        let (sent, told) = oneshot::channel();
        let request = request(method, format!("http://{address}/"), body.clone());
        let sending = client.send_and_tell(request, || sent.send(()).unwrap());
        let receiving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The answer waits for that.
            told.await.unwrap();
            let head = head(&mut stream).await;
            let mut got = vec![0; body.len()];
            stream.read_exact(&mut got).await.unwrap();
            assert_eq!(got, body, "{head}");
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .await
                .unwrap();
        };
        let both = async { tokio::join!(sending, receiving) };
        let both = tokio::time::timeout(Duration::from_secs(60), both);
        let (response, ()) = both.await.expect("it is not told");
        assert_eq!(response.unwrap().status(), 204);
    }
}

#[tokio::test]
async fn what_the_kernel_has_not_taken_is_not_told() {
    let (listener, address) = listener().await;
    let client = loopback();
    let is_told = AtomicBool::new(false);
    let request = request("POST", format!("http://{address}/"), vec![b'x'; MUCH]);
    let sending = client.send_and_tell(request, || is_told.store(true, Ordering::SeqCst));
    let receiving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        let mut buffer = vec![0; 1 << 20];
        let mut read = 0;
        while read < MUCH / 2 {
            read += stream.read(&mut buffer).await.unwrap();
        }
        // It can still break off.
        assert!(!is_told.load(Ordering::SeqCst));
    };
    let (response, ()) = tokio::join!(sending, receiving);
    assert!(response.is_err() && !is_told.load(Ordering::SeqCst));
}

#[tokio::test]
async fn who_is_not_there_is_told_nothing() {
    let (listener, address) = listener().await;
    drop(listener);
    let client = loopback();
    let request = request("POST", format!("http://{address}/"), b"x".to_vec());
    let sent = client.send_and_tell(request, || panic!("nothing was sent"));
    let error = sent.await.unwrap_err().0;
    assert!(
        error.starts_with("no connection: Connection refused"),
        "{error}"
    );
}

#[tokio::test]
async fn a_kept_connection_is_told_by_its_next_request_alone() {
    let (listener, address) = listener().await;
    let client = loopback();
    let first = client.send(request("POST", format!("http://{address}/"), b"1".to_vec()));
    let answering = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream.read_u8().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    let (response, mut stream) = tokio::join!(first, answering);
    response.unwrap().into_body().collect().await.unwrap();
    // On the same connection, of which nothing is read.
    let is_told = AtomicBool::new(false);
    let much = request("POST", format!("http://{address}/"), vec![b'x'; MUCH]);
    let sending = client.send_and_tell(much, || is_told.store(true, Ordering::SeqCst));
    let reading = async {
        head(&mut stream).await;
        assert!(!is_told.load(Ordering::SeqCst));
        drop(stream);
    };
    let (response, ()) = tokio::join!(sending, reading);
    assert!(response.is_err() && !is_told.load(Ordering::SeqCst));
}

#[tokio::test]
async fn every_spelling_of_this_machine_is_refused() {
    let (listener, address) = listener().await;
    let port = address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[0:0:0:0:0:0:0:1]",
    ] {
        // As a subscription's `url` is read.
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let client = client(&[], None);
        let sent = client.send(request("POST", url.into(), Vec::new()));
        let error = sent.await.unwrap_err().0;
        assert!(
            error.contains("is not on the public internet"),
            "{host}: {error}"
        );
    }
    let accepted = tokio::select! {
        biased;
        accepted = listener.accept() => Some(accepted),
        () = std::future::ready(()) => None,
    };
    assert!(accepted.is_none(), "somebody came");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (listener, address) = listener().await;
    let client = loopback();
    let sending = client.send(request("POST", format!("http://{address}/"), b"1".to_vec()));
    let answering = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{address}/inside\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    let (response, ()) = tokio::join!(sending, answering);
    assert_eq!(response.unwrap().status(), 307);
}

#[tokio::test]
async fn a_proxy_passes_on_what_may_be_reached() {
    // A name that nobody knows here is left to the operator's proxy.
    let (listener, address) = listener().await;
    let through = client(&[], Some((address, true)));
    let url = "http://hooks.invalid/a?b=c".to_owned();
    let sending = through.send(request("POST", url, b"1".to_vec()));
    let passing = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
        head.to_lowercase()
    };
    let (response, head) = tokio::join!(sending, passing);
    assert_eq!(response.unwrap().status(), 204);
    assert!(
        head.starts_with("post http://hooks.invalid/a?b=c http/1.1"),
        "{head}"
    );
    assert!(head.contains("proxy-authorization: basic dtpw"), "{head}");

    // What is inside is not passed on, whoever named the proxy.
    let inside = || request("POST", "http://10.0.0.1/".to_owned(), Vec::new());
    let error = through.send(inside()).await.unwrap_err().0;
    assert!(error.contains("10.0.0.1"), "{error}");
    // A subscription's own proxy is where a receiver may be.
    let own = client(&["10.0.0.0/8"], Some((address, false)));
    let error = own.send(inside()).await.unwrap_err().0;
    assert!(error.contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_tunnel_is_asked_for_what_is_encrypted() {
    let (listener, address) = listener().await;
    let through = client(&[], Some((address, true)));
    let url = "https://hooks.invalid:444/a".to_owned();
    let sending = through.send(request("POST", url, b"1".to_vec()));
    let refusing = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            .await
            .unwrap();
        head.to_lowercase()
    };
    let (response, head) = tokio::join!(sending, refusing);
    let error = response.unwrap_err().0;
    assert!(
        head.starts_with("connect hooks.invalid:444 http/1.1"),
        "{head}"
    );
    assert!(head.contains("proxy-authorization: basic dtpw"), "{head}");
    assert!(error.contains("the proxy opens no tunnel"), "{error}");
}
