//! Can an upload be resumed after a crash, or a full disk, so that each message is there once and in order?

use std::collections::BTreeMap;

use photinus_e2e::{DataDirectory, Dice, Full, Power, Server, Upload};
use serde_json::{Value, json};

const LINES: usize = 60_000;

fn lines(from: usize) -> String {
    (from..LINES)
        .map(|number| {
            format!(
                r#"{{"idempotencyKey":"k{number}","header":{{"tag":"n{number}"}}}}{}"#,
                "\n"
            )
        })
        .collect()
}

/// Uploads from this line on, and hands over each answer; returns whether the answer came to its end.
fn upload(
    server: &Server,
    from: usize,
    mut note: impl FnMut(&Value) -> std::ops::ControlFlow<()>,
) -> bool {
    let text = lines(from);
    let (mut writer, mut answer) = Upload::sized(server.address(), text.len()).split();
    let writing = std::thread::spawn(move || writer.send(&text));
    answer.head(200);
    let ended = loop {
        match answer.try_line() {
            Ok(None) => break true,
            Err(_) => break false,
            Ok(Some(line)) => {
                if note(&line).is_break() {
                    break false;
                }
            }
        }
    };
    drop(answer);
    if ended {
        assert!(writing.join().unwrap());
    }
    ended
}

/// The id of the message of a good answer, or of the one that holds the key.
#[track_caller]
fn id(answer: &Value) -> Option<String> {
    if let Some(id) = answer["id"].as_str() {
        return Some(id.to_owned());
    }
    let error = answer["error"].as_str().unwrap();
    let holder = error.strip_prefix("FF10430: ")?.rsplit('\'').nth(1)?;
    Some(holder.to_owned())
}

/// Each message is in the log exactly once, in the order of the lines, and it is the one that was answered.
#[track_caller]
fn assert_whole(server: &Server, answered: &BTreeMap<usize, String>) {
    let mut socket = server.socket("/ws");
    socket.send(json!({
        "type": "start",
        "namespace": "default",
        "ephemeral": true,
        "autoack": true,
        "options": {"firstEvent": "oldest", "readAhead": 500},
    }));
    for number in 0..LINES {
        let event = socket.receive();
        assert_eq!(event["sequence"], number + 1);
        let header = &event["message"]["header"];
        assert_eq!(header["tag"], format!("n{number}"));
        let id = header["id"].as_str();
        assert_eq!(id, answered.get(&number).map(String::as_str));
    }
    let newest = server.rest().get("/api/v1/events?limit=1").expect(200);
    assert_eq!(newest[0]["sequence"], LINES);
}

#[test]
fn an_upload_that_is_killed_again_and_again_is_resumed_with_its_keys() {
    let mut dice = Dice::new();
    let mut server = Server::start();
    let mut answered = BTreeMap::new();
    let mut kills = 0;
    loop {
        // From a little before what was answered: what is sent twice is there once.
        let from = answered.len().saturating_sub(500);
        let kill_at = from + 500 + dice.between(1, 15_000) as usize;
        let mut number = from;
        let mut kill = false;
        let ended = upload(&server, from, |answer| {
            let id = id(answer).unwrap_or_else(|| panic!("{answer}"));
            if let Some(before) = answered.insert(number, id.clone()) {
                assert_eq!(before, id, "line {number} was answered differently");
            }
            number += 1;
            kill = number == kill_at;
            match kill {
                true => std::ops::ControlFlow::Break(()),
                false => std::ops::ControlFlow::Continue(()),
            }
        });
        if ended {
            break;
        }
        assert!(kill, "the answer broke off by itself");
        server.kill();
        server.start_again();
        kills += 1;
    }
    assert!(kills > 1, "{kills} kills");
    assert_whole(&server, &answered);
}

#[test]
fn an_upload_ends_when_the_disk_is_full_and_resumes_from_the_line_it_names() {
    let data = DataDirectory::new();
    let power = Power::new(data.clone());
    let server = Server::start_as(data, "127.0.0.1:0", power.launch());
    let mut answered = BTreeMap::new();
    let (mut from, mut full) = (0, 0);
    loop {
        let mut number = from;
        let mut resume = None;
        let fills = full < 2;
        let ended = upload(&server, from, |answer| {
            if let Some(line) = answer["resumeFrom"].as_u64() {
                assert!(answer["error"].as_str().unwrap().starts_with("PH00451: "));
                resume = Some(from + line as usize - 1);
            } else if let Some(id) = id(answer) {
                answered.insert(number, id);
            } else {
                let error = answer["error"].as_str().unwrap();
                assert!(error.starts_with("PH00503: "), "{error}");
            }
            number += 1;
            if fills && number == from + 5_000 {
                power.fill(Full::AllWrites);
            }
            std::ops::ControlFlow::Continue(())
        });
        assert!(ended, "the answer broke off");
        let Some(resume) = resume else { break };
        assert!(fills && resume > from && resume < LINES, "{resume}");
        assert!(answered.keys().copied().take(resume).eq(0..resume));
        power.free();
        full += 1;
        from = resume;
    }
    assert_eq!(full, 2);
    assert_whole(&server, &answered);
}
