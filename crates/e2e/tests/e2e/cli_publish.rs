//! Do messages from arguments, files and pipes get where they should, once and in order?

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use photinus_e2e::{DataDirectory, Server, Shell, free_port, wait_until};
use serde_json::{Value, json};

/// The values of all events, in order.
fn values(shell: &Shell, count: usize) -> Vec<Value> {
    let count = count.to_string();
    let words = [
        "listen",
        "--first-event",
        "oldest",
        "--json",
        "--with-data",
        "--count",
        &count,
    ];
    shell
        .prints(&words)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["values"][0].clone())
        .collect()
}

fn count(server: &Server) -> u64 {
    let path = "/api/v1/namespaces/default/events?limit=1";
    server.rest().get(path).expect(200)[0]["sequence"]
        .as_u64()
        .unwrap_or(0)
}

#[test]
fn arguments_are_json_or_text_and_print_their_ids() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    let words = [
        "publish",
        "hello",
        "42",
        "{\"a\": [1]}",
        "\"42\"",
        "--topic",
        "t",
        "--tag",
        "g",
        "--author",
        "me",
    ];
    let ids = shell.prints(&words);
    for (id, expected) in
        ids.lines()
            .zip([json!("hello"), json!(42), json!({"a": [1]}), json!("42")])
    {
        let rest = server.rest();
        let message = rest.get(&format!("/api/v1/messages/{id}")).expect(200);
        assert_eq!(message["header"]["topics"], json!(["t"]));
        assert_eq!(
            (&message["header"]["tag"], &message["header"]["author"]),
            (&json!("g"), &json!("me"))
        );
        let data = rest.get(&format!("/api/v1/messages/{id}/data")).expect(200);
        assert_eq!(data[0]["value"], expected);
    }
    assert_eq!(ids.lines().count(), 4);

    let private = shell.prints(&["publish", "--json", "--to", "org_1", "--confirm", "secret"]);
    let private: Value = serde_json::from_str(&private).unwrap();
    assert_eq!(
        (&private["header"]["type"], &private["state"]),
        (&json!("private"), &json!("confirmed"))
    );

    let keyed = ["publish", "x", "--idempotency-key", "k"];
    shell.prints(&keyed);
    let again = shell.run(&keyed);
    assert_eq!(again.status.code(), Some(1));
    assert!(again.stderr.contains("FF10430"), "{again:?}");
}

#[test]
fn a_request_prints_the_values_of_its_reply() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    shell.prints(&["subscription", "create", "answers", "--tag", "^ask$"]);
    let asked = shell.start(&[
        "publish",
        "--request",
        "--to",
        "org_1",
        "--tag",
        "ask",
        "six times nine?",
    ]);
    let event: Value =
        serde_json::from_str(&shell.prints(&["listen", "answers", "--count", "1", "--json"]))
            .unwrap();
    let header = &event["message"]["header"];
    let (cid, group) = (
        header["id"].as_str().unwrap(),
        header["group"].as_str().unwrap(),
    );
    shell.prints(&["publish", "--cid", cid, "--group", group, "{\"answer\":42}"]);
    assert_eq!(asked.end().stdout, "{\"answer\":42}\n");

    let late = shell.run(&[
        "publish",
        "--request",
        "--to",
        "org_1",
        "--tag",
        "nobody",
        "--timeout",
        "200ms",
        "x",
    ]);
    assert_eq!(late.status.code(), Some(1));
    assert!(late.stderr.contains("FF10260"), "{late:?}");
}

#[test]
fn a_hundred_thousand_lines_of_a_pipe_arrive_in_order() {
    const LINES: u64 = 100_000;
    let server = Server::start();
    let shell = Shell::new(server.address());
    let mut input = String::new();
    for line in 1..=LINES {
        writeln!(input, "{line}").unwrap();
    }
    let ended = shell.run_with(&["publish", "-", "--as", "json", "--topic", "n"], &input);
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.starts_with("published 100,000 messages in "),
        "{ended:?}"
    );
    assert_eq!(count(&server), LINES);
    let first: Vec<Value> = (1..=1000).map(Value::from).collect();
    assert_eq!(values(&shell, 1000), first);
    let last = shell.prints(&[
        "listen",
        "--first-event",
        "99999",
        "--count",
        "1",
        "--json",
        "--with-data",
    ]);
    assert!(last.contains("\"values\":[100000]"), "{last}");
}

#[test]
fn refused_lines_are_named_kept_and_make_the_status_1() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    let directory = DataDirectory::new();
    let errors = directory.path().join("errors");
    let input = "{\"data\":[{\"value\":1}]}\n\nhello\n{\"data\":[{\"value\":null}]}\r\n{\"header\":{\"tag\":\"own\"},\"data\":[{\"value\":2}]}";
    let words = [
        "publish",
        "-",
        "--json",
        "--tag",
        "given",
        "--errors",
        errors.to_str().unwrap(),
    ];
    let ended = shell.run_with(&words, input);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let answers: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let lines: Vec<_> = answers
        .iter()
        .map(|answer| {
            (
                answer["line"].as_u64().unwrap(),
                answer["sequence"].as_u64(),
            )
        })
        .collect();
    assert_eq!(lines, [(1, Some(1)), (3, None), (4, None), (5, Some(2))]);
    assert!(
        ended.stderr.contains("line 3: no message") && ended.stderr.contains("--lines"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("published 2 messages") && ended.stderr.contains("; 2 refused"),
        "{ended:?}"
    );

    let kept = std::fs::read_to_string(&errors).unwrap();
    let kept: Vec<Value> = kept
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&kept[0]["line"], &kept[0]["input"]),
        (&json!(3), &json!("hello"))
    );
    assert!(
        kept[1]["error"].as_str().unwrap().starts_with("FF10205"),
        "{kept:?}"
    );
    let tags = shell.prints(&[
        "listen",
        "--first-event",
        "oldest",
        "--count",
        "2",
        "--json",
    ]);
    assert!(
        tags.contains("\"tag\":\"given\"") && tags.contains("\"tag\":\"own\""),
        "{tags}"
    );
}

#[test]
fn a_line_is_published_before_the_next_one_is_there() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    let listener = shell.start(&["listen", "--first-event", "oldest"]);
    let mut publisher = shell.start(&["publish", "-", "--lines"]);
    for text in ["one", "two"] {
        publisher.write(&format!("{text}\n"));
        assert!(listener.line().ends_with(&format!("\"{text}\"")));
    }
    publisher.write("without an end");
    assert!(publisher.end().status.success());
    assert!(listener.line().ends_with("\"without an end\""));
}

#[test]
fn lines_with_keys_survive_a_kill_and_are_published_once() {
    const LINES: u64 = 30_000;
    let address = format!("127.0.0.1:{}", free_port());
    let mut server = Server::start_with(DataDirectory::new(), &address);
    let shell = Shell::new(server.address());
    let mut input = String::new();
    for line in 1..=LINES {
        writeln!(input, "{line}").unwrap();
    }
    let words = [
        "publish",
        "-",
        "--as",
        "json",
        "--idempotency-prefix",
        "import",
    ];
    let mut publisher = shell.start(&words);
    let (begin, rest) = input.split_at(input.len() / 2);
    publisher.write(begin);
    wait_until("some lines to be published", || count(&server) > 100);
    server.kill();
    server.start_again();
    publisher.write(rest);
    let ended = publisher.end();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(count(&server), LINES, "{}", ended.stderr);

    // All of it again: nothing is published.
    let again = shell.run_with(&words, &input);
    assert!(again.status.success(), "{again:?}");
    assert!(
        again.stderr.contains("30,000 were published before"),
        "{again:?}"
    );
    assert_eq!(count(&server), LINES);
}

/// Reads a request until this text has come.
fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&read).contains(text) {
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "the request ended");
        read.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&read).into_owned()
}

fn answer(mut stream: TcpStream, lines: &str) {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
}

#[test]
fn lines_that_the_server_cannot_take_now_keep_their_order() {
    let failed = "{\"id\":\"x\",\"sequence\":1}\n\
                  {\"line\":2,\"error\":\"PH00503: disk full\"}\n\
                  {\"line\":3,\"error\":\"PH00503: disk full\"}\n\
                  {\"line\":2,\"error\":\"PH00451: resume from line 2\",\"resumeFrom\":2}\n";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let shell = Shell::new(listener.local_addr().unwrap());
    let mut keyed = shell.start(&["publish", "-", "--lines", "--idempotency-prefix", "p"]);
    keyed.write("one\ntwo\nthree\n");
    let (mut first, _) = listener.accept().unwrap();
    read_until(&mut first, "p-3");
    answer(first, failed);
    let (mut second, _) = listener.accept().unwrap();
    let again = read_until(&mut second, "p-3");
    assert!(
        !again.contains("p-1") && again.find("p-2") < again.find("p-3"),
        "{again}"
    );
    answer(second, &"{\"id\":\"x\",\"sequence\":2}\n".repeat(2));
    let ended = keyed.end();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.contains("published 3 messages"), "{ended:?}");

    // Without keys they might be there twice.
    let mut bare = shell.start(&["publish", "-", "--lines"]);
    bare.write("one\ntwo\nthree\n");
    let (mut stream, _) = listener.accept().unwrap();
    read_until(&mut stream, "three");
    answer(stream, failed);
    let ended = bare.end();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("lines 2 to 3 may or may not be published; go on with --from-line 2"),
        "{ended:?}"
    );
}

#[test]
fn a_connection_that_is_lost_before_any_answer_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let shell = Shell::new(listener.local_addr().unwrap());
    let mut publisher = shell.start(&["publish", "-", "--lines", "--idempotency-prefix", "p"]);
    publisher.write("one\ntwo\n");
    let (mut first, _) = listener.accept().unwrap();
    read_until(&mut first, "p-2");
    drop(first);
    let (mut second, _) = listener.accept().unwrap();
    read_until(&mut second, "p-2");
    answer(
        second,
        "{\"line\":1,\"error\":\"FF10430: used\"}\n{\"id\":\"x\",\"sequence\":1}\n",
    );
    let ended = publisher.end();
    assert!(ended.status.success(), "{ended:?}");
    assert!(
        ended.stderr.contains("published 1 message ")
            && ended.stderr.contains("1 were published before"),
        "{ended:?}"
    );
}

/// Whether something came to this port that its process has not read.
fn has_unread_bytes(port: u16) -> bool {
    // A line is `sl local remote state tx:rx …`, all in hexadecimal.
    let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
    connections.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_open = fields[3] == "01" && fields[1].ends_with(&format!(":{port:04X}"));
        is_open && !fields[4].ends_with(":00000000")
    })
}

#[test]
fn lines_without_keys_are_not_sent_twice_and_it_is_said_where_to_go_on() {
    let address = format!("127.0.0.1:{}", free_port());
    let mut server = Server::start_with(DataDirectory::new(), &address);
    let shell = Shell::new(server.address());
    let mut publisher = shell.start(&["publish", "-", "--lines", "--json"]);
    publisher.write("one\ntwo\n");
    assert!(publisher.line().contains("\"line\":1,"));
    assert!(publisher.line().contains("\"line\":2,"));
    server.suspend();
    publisher.write("three\n");
    let port = server.address().port();
    wait_until("the line to be sent", || has_unread_bytes(port));
    server.kill();
    let ended = publisher.end();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("line 3 may or may not be published; go on with --from-line 3"),
        "{ended:?}"
    );

    server.start_again();
    let words = ["publish", "-", "--lines", "--json", "--from-line", "3"];
    let went_on = shell.run_with(&words, "one\ntwo\nthree\n");
    assert!(went_on.stdout.starts_with("{\"line\":3,"), "{went_on:?}");
    assert_eq!(went_on.stdout.lines().count(), 1);
}

#[test]
fn an_interrupted_upload_says_where_to_go_on() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    let mut publisher = shell.start(&["publish", "-", "--lines", "--json"]);
    publisher.write("one\ntwo\n");
    publisher.line();
    publisher.line();
    publisher.interrupt();
    let ended = publisher.end();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert!(
        ended.stderr.contains("go on with --from-line 3"),
        "{ended:?}"
    );
}

#[test]
fn the_file_of_the_lines_is_not_overwritten_with_what_was_refused() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    let directory = DataDirectory::new();
    let file = directory.path().join("lines");
    std::fs::write(&file, "bad\n{\"data\":[{\"value\":1}]}\n").unwrap();
    let path = file.to_str().unwrap();
    let refused = shell.run(&["publish", "--file", path, "--errors", path]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("bad"));

    let errors = directory.path().join("errors");
    let words = [
        "publish",
        "--file",
        path,
        "--errors",
        errors.to_str().unwrap(),
    ];
    shell.run(&words);
    shell.run(&[&words[..], &["--from-line", "2"]].concat());
    // Going on keeps what was refused before.
    assert_eq!(std::fs::read_to_string(&errors).unwrap().lines().count(), 1);
}

#[test]
fn whoever_stops_reading_is_told_what_was_not_published() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    let script =
        "seq 100000 | \"$PHOTINUS\" publish - --as json --json | head -n 1; exit ${PIPESTATUS[1]}";
    let ended = shell.script(&format!("exec bash -c '{script}'")).end();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("go on with --from-line"), "{ended:?}");
}
