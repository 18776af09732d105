//! Is docs/reference/openapi.json what a running server serves?

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The body that the server answers.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body.to_owned()
}

/// Every reference leads to something in the document.
fn lead_somewhere(part: &Value, document: &Value) {
    match part {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            for value in object.values() {
                lead_somewhere(value, document);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| lead_somewhere(item, document)),
        _ => {}
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "no configuration: it tells this test to write what it would compare"
)]
fn the_page_is_what_a_server_serves() {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_photinus"));
    command.env_clear().arg("--data").arg(data.path());
    command.args(["--listen", "127.0.0.1:0", "--monitoring", "127.0.0.1:0"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut server = Server(command.stderr(Stdio::null()).spawn().unwrap());
    let mut line = String::new();
    let mut out = BufReader::new(server.0.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("Photinus listens on http://");
    let served = get(address.unwrap(), "/api/openapi.json");
    let served: Value = serde_json::from_str(&served).unwrap();
    // Also those in what transports say of their options.
    lead_somewhere(&served, &served);
    let served = format!("{served:#}\n");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    if std::env::var_os("PHOTINUS_UPDATE").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == served,
        "docs/reference/openapi.json is not what the code says: run `cargo xtask docs` and commit it"
    );
}
