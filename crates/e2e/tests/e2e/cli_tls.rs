//! Is a server behind TLS, and below a path, reached; and one that nobody vouches for not?

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use photinus_e2e::{DataDirectory, PATIENCE, Shell};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Takes connections for good, answers each request as if a message had been published, and tells its first line.
fn tls_server(certified: &CertifiedKey<rcgen::KeyPair>) -> (u16, Receiver<String>) {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    // WebSockets need HTTP/1, whatever a server offers.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !String::from_utf8_lossy(&request).contains("\"value\"") {
                match stream.read(&mut piece) {
                    Ok(length @ 1..) => request.extend_from_slice(&piece[..length]),
                    // It does not trust us.
                    _ => break,
                }
            }
            let line = String::from_utf8_lossy(&request);
            let _ = send.send(line.lines().next().unwrap_or_default().to_owned());
            let body = "{\"header\":{\"id\":\"the-id\"}}";
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 202 Accepted\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    (port, lines)
}

#[test]
fn certificates_are_verified_and_a_path_before_the_api_is_kept() {
    let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = DataDirectory::new();
    let trusted = directory.path().join("ca.pem");
    std::fs::write(&trusted, certified.cert.pem()).unwrap();
    let (port, lines) = tls_server(&certified);
    let trusting = |url: &str| Shell::at(url).variable("SSL_CERT_FILE", trusted.to_str().unwrap());

    let url = format!("https://localhost:{port}/a/path/");
    let ended = trusting(&url).run(&["publish", "x"]);
    assert_eq!(
        (ended.status.code(), ended.stdout.as_str()),
        (Some(0), "the-id\n"),
        "{ended:?}"
    );
    let line = lines.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        line,
        "POST /a/path/api/v1/namespaces/default/messages/broadcast HTTP/1.1"
    );

    // Another certificate is trusted; and this one is for another name.
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let others = directory.path().join("other.pem");
    std::fs::write(&others, other.cert.pem()).unwrap();
    let stranger = Shell::at(&url).variable("SSL_CERT_FILE", others.to_str().unwrap());
    let misnamed = trusting(&format!("https://127.0.0.1:{port}"));
    for shell in [stranger, misnamed] {
        let ended = shell.run(&["publish", "x"]);
        assert_eq!(
            (ended.status.code(), ended.stdout.as_str()),
            (Some(1), ""),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("certificate"), "{ended:?}");
        assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), "");
    }
}
