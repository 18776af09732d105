//! Is a receiver that speaks TLS who it should be, and does it learn who asks?

use std::io::{Read, Write};
use std::net::TcpListener;

use photinus_e2e::{Launch, PATIENCE, Receiver, free_port};
use serde_json::{Value, json};

use super::{Hook, THIS_MACHINE, publish, start_as, start_with, tunnel};
use crate::authority::{Authority, Issued, with_ca};

/// An event that fails waits, so that its status can be looked at.
fn patient(tls: &str) -> Value {
    json!({"tlsConfigName": tls, "retryPolicy": {"delays": ["24h"]}})
}

fn server_of(authority: &Authority) -> Issued {
    authority.issue(&["localhost", "127.0.0.1"])
}

#[test]
fn a_private_authority_vouches_for_whoever_names_it() {
    let authority = Authority::new("own");
    let server = start_with(&with_ca("own", &authority.file()));
    let rest = server.rest();
    let mut receiver = Receiver::start_tls(server_of(&authority).server());
    Hook::to(&rest, "address", &receiver, patient("own"));
    let by_name = receiver.url("/").replace("127.0.0.1", "localhost");
    Hook::at(&rest, "name", &by_name, patient("own"));
    publish(&rest, &["t1"]);
    let mut hosts = [receiver.receive(), receiver.receive()]
        .map(|request| request.header("host").unwrap().to_owned());
    hosts.sort();
    let port = receiver.address().port();
    assert_eq!(
        hosts,
        [format!("127.0.0.1:{port}"), format!("localhost:{port}")]
    );

    let body = json!({"name": "app", "transport": "webhooks", "options": {"url": "https://x", "tlsConfigName": "other"}});
    let error = rest.post("/api/v1/subscriptions", &body).error();
    assert!(error.starts_with("FF10455: "), "{error}");
}

#[test]
fn a_certificate_that_does_not_fit_is_refused_and_says_why() {
    let (authority, other) = (Authority::new("own"), Authority::new("other"));
    // What the system trusts is another authority.
    let launch = Launch::default().variable("SSL_CERT_FILE", other.file());
    let server = start_as(
        &format!("{THIS_MACHINE}\n{}", with_ca("own", &authority.file())),
        launch,
    );
    let rest = server.rest();
    let names = ["localhost", "127.0.0.1"];
    for (name, issued, tls, reason) in [
        ("expired", authority.issue_expired(&names), "own", "expired"),
        (
            "host",
            authority.issue(&["hooks.example"]),
            "own",
            "not valid for",
        ),
        ("unknown", other.issue(&names), "own", "UnknownIssuer"),
        ("system", authority.issue(&names), "", "UnknownIssuer"),
    ] {
        let receiver = Receiver::start_tls(issued.server());
        let mut options = patient(tls);
        options["firstEvent"] = "newest".into();
        let hook = Hook::to(&rest, name, &receiver, options);
        publish(&rest, &["t1"]);
        let why = hook.wait_for_reason(&rest, "TLS failed");
        assert!(
            why.contains("invalid peer certificate") && why.contains(reason),
            "{name}: {why}"
        );
        assert_eq!(receiver.count(), 0);
    }
    // The system's own is used where no other is named.
    let receiver = Receiver::start_tls(server_of(&other).server());
    let hook = Hook::to(&rest, "trusted", &receiver, patient(""));
    hook.wait_for_state(&rest, "idle");
    assert!(receiver.count() > 0);
}

#[test]
fn a_receiver_that_wants_a_certificate_is_shown_one() {
    let authority = Authority::new("own");
    let [cert, key] = authority.write_pair(&authority.issue(&["photinus"]));
    let both = format!(
        "{}tls.known.ca = '{}'\ntls.known.cert = '{}'\ntls.known.key = '{}'\n",
        with_ca("unknown", &authority.file()),
        authority.file().display(),
        cert.display(),
        key.display()
    );
    let server = start_with(&both);
    let rest = server.rest();
    let config = authority.server_for_its_own(&server_of(&authority));
    let mut receiver = Receiver::start_tls(config);
    let unknown = Hook::to(&rest, "unknown", &receiver, patient("unknown"));
    publish(&rest, &["t1"]);
    let why = unknown.wait_for_reason(&rest, "CertificateRequired");
    assert!(why.contains("received fatal alert"), "{why}");
    assert_eq!(receiver.count(), 0);
    let known = Hook::to(&rest, "known", &receiver, patient("known"));
    known.wait_for_state(&rest, "idle");
    assert_eq!(receiver.receive().topic(), "t1");
}

#[test]
fn a_receiver_that_knows_tls_1_0_alone_is_refused() {
    let server = start_with("");
    let rest = server.rest();
    let listener = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).unwrap();
        let mut rest = vec![0; usize::from(u16::from_be_bytes([hello[3], hello[4]]))];
        stream.read_exact(&mut rest).unwrap();
        // A ServerHello: TLS 1.0, 32 random bytes, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
        let mut said = vec![0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
        said.extend([7; 32]);
        said.extend([0, 0, 0x2f, 0]);
        stream.write_all(&said).unwrap();
        // What it is told, to the end.
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told);
        told
    });
    let hook = Hook::at(&rest, "app", &url, patient(""));
    publish(&rest, &["t1"]);
    let why = hook.wait_for_reason(&rest, "TLS failed");
    assert!(why.contains("incompatible"), "{why}");
    let told = answering.join().unwrap();
    // A fatal alert, and no byte of a request.
    assert_eq!((told[0], told.len(), told[5]), (0x15, 7, 2), "{told:?}");
}

#[test]
fn the_operators_proxy_opens_a_tunnel_to_whom_tls_vouches_for() {
    const OUTSIDE: &str = "8.8.8.8";
    let authority = Authority::new("own");
    let mut receiver = Receiver::start_tls(authority.issue(&[OUTSIDE]).server());
    let (proxy, asked) = tunnel::to(receiver.address());
    let server = start_as(
        &format!(
            "proxy = 'http://me:hush@{proxy}'\n{}",
            with_ca("own", &authority.file())
        ),
        Launch::default(),
    );
    let rest = server.rest();
    let hook = Hook::at(
        &rest,
        "app",
        &format!("https://{OUTSIDE}/hook"),
        patient("own"),
    );
    publish(&rest, &["t1"]);
    assert_eq!(receiver.receive().line, "POST /hook HTTP/1.1");
    let asked = asked.recv_timeout(PATIENCE).unwrap();
    assert!(
        asked.starts_with("CONNECT 8.8.8.8:443 HTTP/1.1\r\n"),
        "{asked}"
    );
    let asked = asked.to_ascii_lowercase();
    assert!(
        asked.contains("proxy-authorization: basic bwu6ahvzaa=="),
        "{asked}"
    );
    // What is for the proxy is not for the receiver.
    let request = &receiver.requests()[0];
    assert_eq!(request.header("proxy-authorization"), None);
    hook.wait_for_state(&rest, "idle");
    // The tunnel leads to somebody else.
    let other = Hook::at(&rest, "other", "https://8.8.4.4/hook", patient("own"));
    let why = other.wait_for_reason(&rest, "TLS failed");
    assert!(why.contains("not valid for"), "{why}");
    assert_eq!(receiver.count(), 1);
}
