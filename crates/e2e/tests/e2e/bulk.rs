//! Does a producer get a million messages in, whatever it does with the answers?

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use photinus_e2e::{
    DataDirectory, Launch, Rest, Server, StopSignal, Upload, now, wait_for, wait_until,
};
use serde_json::{Value, json};

use crate::raw_memory::resident_kib;

/// Longer than a connection may take nothing of an ordinary answer: 10 seconds.
const STANDSTILL: Duration = Duration::from_secs(11);

fn configured(toml: &str) -> Server {
    let launch = Launch::default().configuration(toml);
    Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch)
}

fn line(tag: &str, number: usize) -> String {
    format!(
        r#"{{"header":{{"tag":"{tag}"}},"data":[{{"value":{number}}}]}}{}"#,
        "\n"
    )
}

fn lines(tag: &str, count: usize) -> String {
    (0..count).map(|number| line(tag, number)).collect()
}

/// The sequence of the newest event; 0 if there is none.
fn head(rest: &Rest) -> i64 {
    let events = rest.get("/api/v1/events?limit=1").expect(200);
    events[0]["sequence"].as_i64().unwrap_or(0)
}

/// The sequences of answers that must all be good.
#[track_caller]
fn sequences(answers: &[Value]) -> Vec<i64> {
    let sequence = |answer: &Value| answer["sequence"].as_i64();
    let sequences = answers.iter();
    sequences
        .map(|answer| sequence(answer).unwrap_or_else(|| panic!("{answer}")))
        .collect()
}

#[track_caller]
fn assert_rising(sequences: &[i64]) {
    assert!(sequences.is_sorted_by(|a, b| a < b), "they do not rise");
}

/// The last line of an upload that ended early: from where to resume.
#[track_caller]
fn resume_from(answer: Option<&Value>, why: &str) -> u64 {
    let answer = answer.expect("a last line");
    let error = answer["error"].as_str().unwrap_or_default();
    assert!(
        error.starts_with("PH00451: ") && error.contains(why),
        "{answer}, expected {why}"
    );
    assert_eq!(answer["line"], answer["resumeFrom"]);
    answer["resumeFrom"].as_u64().unwrap()
}

#[test]
fn a_client_that_writes_everything_before_it_reads_is_answered() {
    const LINES: usize = 200_000;
    let server = Server::start();
    let text = lines("t", LINES);
    let answers = Upload::sized(server.address(), text.len()).all(&text);
    let sequences = sequences(&answers);
    assert_eq!(sequences, (1..=LINES as i64).collect::<Vec<_>>());
    let newest = server.rest().get("/api/v1/data?limit=1").expect(200);
    assert_eq!(newest[0]["value"], LINES - 1);
}

#[test]
fn lines_are_committed_while_their_client_takes_nothing() {
    // More than the kernel keeps of their answers.
    const LINES: usize = 150_000;
    let server = Server::start();
    let rest = server.rest();
    let mut upload = Upload::chunked(server.address());
    assert!(upload.send(&lines("t", LINES)));
    wait_until("all lines to be committed", || head(&rest) == LINES as i64);
    let begun = now();
    wait_until("a long time to pass", || begun.elapsed() > STANDSTILL);
    assert!(upload.send(&line("t", LINES)) && upload.finish());
    upload.answer().head(200);
    assert_rising(&sequences(&upload.answer().rest()[..=LINES]));
}

#[test]
fn each_line_is_answered_when_it_is_committed_and_not_later() {
    let server = Server::start();
    let rest = server.rest();
    let mut upload = Upload::chunked(server.address());
    upload.answer().head(200);
    for number in 1..=20 {
        // In two pieces, and with either end.
        assert!(upload.send("{\"header\":{}") && upload.send(["}\n", "}\r\n"][number % 2]));
        let answer = upload.answer().line().unwrap();
        assert_eq!(answer["sequence"], number);
        let id = answer["id"].as_str().unwrap();
        rest.get(&format!("/api/v1/messages/{id}")).expect(200);
    }
    // The last needs no end.
    assert!(upload.send("{}") && upload.finish());
    assert_eq!(upload.answer().rest().len(), 1);
    // The connection is as good as before.
    let request = "GET /api/v1/events?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert!(upload.write(request.as_bytes()));
    upload.answer().head(200);
}

#[test]
fn a_client_that_waits_to_be_asked_is_asked() {
    let server = Server::start();
    let headers = "Content-Length: 3\r\nExpect: 100-continue\r\n";
    let mut upload = Upload::with(server.address(), headers, false);
    upload.answer().head(100);
    assert!(upload.send("{}\n"));
    upload.answer().head(200);
    assert_eq!(upload.answer().rest().len(), 1);
    // What is refused by its head is not asked for.
    let headers = "Content-Length: 3\r\nExpect: 100-continue\r\nContent-Encoding: gzip\r\n";
    let mut upload = Upload::with(server.address(), headers, false);
    let head = upload.answer().head(415);
    assert!(head.contains("connection: close"), "{head}");
}

#[test]
fn what_is_no_message_and_what_is_too_large_harms_no_other_line() {
    let server = configured("[api]\nbody_bytes_max = 1000\n");
    let rest = server.rest();
    rest.broadcast("warm", "t");
    let before = resident_kib(&server);
    let (mut writer, mut answer) = Upload::chunked(server.address()).split();
    let piece = "x".repeat(1 << 20);
    let writing = std::thread::spawn(move || {
        assert!(writer.send("{}\n\u{fffd}garbage\n\0\n[{}]\n"));
        for _ in 0..256 {
            assert!(writer.send(&piece));
        }
        assert!(writer.send("\n{}\n") && writer.finish());
    });
    answer.head(200);
    let answers = answer.rest();
    writing.join().unwrap();
    let said: Vec<_> = answers
        .iter()
        .map(|answer| match answer["error"].as_str() {
            Some(error) => (answer["line"].as_u64().unwrap(), &error[..7]),
            None => (0, "fine"),
        })
        .collect();
    assert_eq!(
        said,
        [
            (0, "fine"),
            (2, "PH00453"),
            (3, "PH00453"),
            (4, "PH00453"),
            (5, "PH00413"),
            (0, "fine"),
        ]
    );
    let grown = resident_kib(&server).saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB for a line that is not kept");
    assert_eq!(head(&rest), 3);
}

#[test]
fn a_client_that_never_reads_is_told_where_to_resume() {
    const LINES: usize = 300_000;
    const PENDING_MAX: u64 = 1_000;
    let server = configured(&format!("[api]\nbulk_pending_max = {PENDING_MAX}\n"));
    let rest = server.rest();
    let text = lines("t", LINES);
    let answers = Upload::sized(server.address(), text.len()).all(&text);
    let resume = resume_from(answers.last(), "bulk_pending_max = 1000");
    let answered = sequences(&answers[..answers.len() - 1]);
    assert_eq!(
        answered.len() as u64,
        resume - 1,
        "each line taken is answered"
    );
    assert!(resume > PENDING_MAX && resume < LINES as u64, "{resume}");
    assert_eq!(
        head(&rest),
        resume as i64 - 1,
        "and nothing more is committed"
    );

    // One that reads is not far behind, however small the bound is.
    let (mut writer, mut answer) = Upload::sized(server.address(), text.len()).split();
    let writing = std::thread::spawn(move || assert!(writer.send(&text)));
    answer.head(200);
    assert_rising(&sequences(&answer.rest()));
    writing.join().unwrap();
    assert_eq!(head(&rest), resume as i64 - 1 + LINES as i64);
}

#[test]
fn errors_that_wait_are_bounded_too() {
    // Each error repeats a key of 200 bytes: far more bytes than places.
    const LINES: usize = 400_000;
    let server = Server::start();
    let text = format!("{{\"idempotencyKey\":\"{}\"}}\n", "k".repeat(200)).repeat(LINES);
    let answers = Upload::sized(server.address(), text.len()).all(&text);
    resume_from(answers.last(), "bulk_pending_max");
    assert_eq!(head(&server.rest()), 1);
}

#[test]
fn a_client_that_goes_away_leaves_what_was_committed_and_its_place() {
    let server = configured("[api]\nbulk_uploads_max = 1\n");
    let rest = server.rest();
    for round in 1..=3 {
        // The place of the round before is free soon after its upload has ended.
        let mut upload = wait_for("the place to be free", || {
            let mut upload = Upload::chunked(server.address());
            (upload.answer().status() == Some(200)).then_some(upload)
        });
        upload.answer().head(200);
        assert!(upload.send(&lines("t", 5_000)));
        let answered: Vec<_> = (0..100).filter_map(|_| upload.answer().line()).collect();
        assert_eq!(sequences(&answered).len(), 100);
        let refused = rest.send(
            "POST",
            "/api/v1/messages/bulk",
            Some("application/x-ndjson"),
            Some(b"{}"),
        );
        let error = refused.unwrap().error();
        assert!(error.starts_with("PH00450: "), "{error}");
        upload.hang_up();
        for answer in answered {
            let id = answer["id"].as_str().unwrap();
            rest.get(&format!("/api/v1/messages/{id}")).expect(200);
        }
        assert!(head(&rest) >= 100 * round);
    }
}

#[test]
fn a_client_that_sends_nothing_is_told_so_and_let_go() {
    let server = configured("[api]\nbulk_idle_max = '500ms'\n");
    let mut upload = Upload::chunked(server.address());
    assert!(upload.send("{}\n\n{}\n"));
    upload.answer().head(200);
    let answers = upload.answer().rest();
    assert_eq!(resume_from(answers.last(), "bulk_idle_max"), 4);
    assert_eq!(answers.len(), 3);
}

#[test]
fn a_client_that_takes_no_answer_keeps_its_place_and_is_let_go() {
    let server = configured("[api]\nbulk_idle_max = '3s'\nbulk_uploads_max = 1\n");
    let rest = server.rest();
    const LINES: usize = 150_000;
    let text = lines("t", LINES);
    let mut upload = Upload::sized(server.address(), text.len());
    assert!(upload.send(&text));
    wait_until("all lines to be committed", || head(&rest) == LINES as i64);
    let send = || {
        let kind = Some("application/x-ndjson");
        let path = "/api/v1/messages/bulk";
        rest.send("POST", path, kind, Some(b"{}")).unwrap()
    };
    let error = send().error();
    assert!(error.starts_with("PH00450: "), "{error}");
    wait_until("its place to be free", || send().status == 200);
    // Nobody reads what is in the kernel's hands; the rest is not kept for ever.
    wait_until("its connection to be ended", || !upload.write(b"x"));
}

/// What a stop leaves: the answers, of which the last says from where to resume, and the head of the log.
#[track_caller]
fn assert_stopped(server: &mut Server, mut answers: Vec<Value>) {
    let resume = resume_from(answers.last(), "the server is stopping");
    answers.pop();
    assert_eq!(
        answers.len() as u64,
        resume - 1,
        "each line taken is answered"
    );
    let sequences = sequences(&answers);
    server.start_again();
    assert_eq!(head(&server.rest()), *sequences.last().unwrap());
}

#[test]
fn a_stop_answers_what_was_taken_and_says_where_to_resume() {
    let mut server = Server::start();
    let rest = server.rest();
    let (mut writer, mut answer) = Upload::chunked(server.address()).split();
    let told = Arc::new(AtomicBool::new(false));
    let is_told = told.clone();
    let writing = std::thread::spawn(move || {
        let text = lines("t", 100);
        while !is_told.load(Ordering::Relaxed) {
            assert!(writer.send(&text), "it can send until it is told");
        }
        assert!(writer.finish());
    });
    let reading = std::thread::spawn(move || {
        answer.head(200);
        let mut answers = Vec::new();
        while let Some(line) = answer.line() {
            if line.get("resumeFrom").is_some() {
                told.store(true, Ordering::Relaxed);
            }
            answers.push(line);
        }
        answers
    });
    wait_until("lines to be committed", || head(&rest) > 1_000);
    server.stop(StopSignal::Term);
    writing.join().unwrap();
    assert_stopped(&mut server, reading.join().unwrap());
}

#[test]
fn a_stop_lets_a_client_write_to_its_end_before_it_reads() {
    let mut server = Server::start();
    let rest = server.rest();
    // More than the kernel keeps of it.
    let text = lines("t", 500_000);
    let (mut writer, mut answer) = Upload::sized(server.address(), text.len()).split();
    let writing = std::thread::spawn(move || assert!(writer.send(&text)));
    wait_until("lines to be committed", || head(&rest) > 1_000);
    let stopping = std::thread::spawn(move || {
        server.stop(StopSignal::Int);
        server
    });
    writing.join().unwrap();
    answer.head(200);
    let answers = answer.rest();
    assert_stopped(&mut stopping.join().unwrap(), answers);
}

#[test]
fn uploads_and_single_messages_go_side_by_side_each_in_order() {
    const LINES: usize = 30_000;
    let server = Server::start();
    let address = server.address();
    let uploads: Vec<_> = ["a", "b"]
        .map(|tag| {
            std::thread::spawn(move || {
                let text = lines(tag, LINES);
                let (mut writer, mut answer) = Upload::sized(address, text.len()).split();
                let writing = std::thread::spawn(move || assert!(writer.send(&text)));
                answer.head(200);
                let sequences = sequences(&answer.rest());
                writing.join().unwrap();
                sequences
            })
        })
        .into_iter()
        .collect();
    let rest = server.rest();
    let mut singles = Vec::new();
    while singles.len() < 20 || uploads.iter().any(|upload| !upload.is_finished()) {
        let body = json!({"header": {"tag": "single"}});
        let path = "/api/v1/messages/broadcast?confirm=true";
        let message = rest.post(path, &body).expect(200);
        let id = message["header"]["id"].as_str().unwrap();
        let event = &rest
            .get(&format!("/api/v1/messages/{id}/events"))
            .expect(200)[0];
        singles.push(event["sequence"].as_i64().unwrap());
    }
    let mut all: Vec<Vec<i64>> = uploads.into_iter().map(|it| it.join().unwrap()).collect();
    all.push(singles);
    for sequences in &all {
        assert_rising(sequences);
    }
    assert_eq!((all[0].len(), all[1].len()), (LINES, LINES));
    let between =
        |one: &[i64], other: &[i64]| one[0] < other[LINES - 1] && other[0] < one[LINES - 1];
    assert!(between(&all[0], &all[1]), "one waited for the other");
    let distinct: BTreeSet<i64> = all.iter().flatten().copied().collect();
    assert_eq!(distinct.len(), all.iter().map(Vec::len).sum::<usize>());
    assert_eq!(distinct.last().copied(), Some(head(&rest)));
}
