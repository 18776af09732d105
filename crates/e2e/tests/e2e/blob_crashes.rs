//! Is a file that was answered whole after a crash, and is nothing left of one that was not?

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use photinus_e2e::{Dice, Rest, Server};
use serde_json::Value;
use sha2::{Digest, Sha256};

const DATA: &str = "/api/v1/data";
/// How many upload at once.
const UPLOADERS: u64 = 4;

fn content(number: u64) -> Vec<u8> {
    let length = 1 + (number * 7_919) % 400_000;
    (0..length).map(|at| (at ^ number) as u8).collect()
}

fn form(content: &[u8]) -> Vec<u8> {
    let head = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
    [head, content, b"\r\n--b--\r\n"].concat()
}

fn hash(content: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(content).into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_answered_file_is_whole_after_a_kill_and_no_other_is_there() {
    let mut dice = Dice::new();
    let mut server = Server::start();
    let answered: Mutex<Vec<(u64, Value)>> = Mutex::default();
    let mut next = 0;
    for _ in 0..4 {
        let kill_at = answered.lock().unwrap().len() + dice.between(1, 40) as usize;
        let killed = AtomicBool::new(false);
        let address = server.address();
        std::thread::scope(|scope| {
            for uploader in 0..UPLOADERS {
                let (answered, killed) = (&answered, &killed);
                scope.spawn(move || {
                    let rest = Rest::new(address);
                    let mut number = next + uploader;
                    let kind = Some("multipart/form-data; boundary=b");
                    while !killed.load(Ordering::Relaxed) {
                        let form = form(&content(number));
                        let Ok(reply) = rest.send("POST", DATA, kind, Some(&form)) else {
                            return;
                        };
                        let data: Value = reply.expect(201);
                        // Every third one is deleted again, and the last of these may be cut off by the kill.
                        let path = format!("{DATA}/{}", data["id"].as_str().unwrap());
                        match number % 3 == 0 {
                            true => drop(rest.send("DELETE", &path, None, None)),
                            false => answered.lock().unwrap().push((number, data)),
                        }
                        number += UPLOADERS;
                    }
                });
            }
            while answered.lock().unwrap().len() < kill_at {
                std::thread::yield_now();
            }
            server.kill();
            killed.store(true, Ordering::Relaxed);
        });
        next += 1_000_000;
        server.start_again();
    }

    let rest = server.rest();
    for (number, data) in answered.into_inner().unwrap() {
        let content = content(number);
        assert_eq!(data["blob"]["hash"], hash(&content));
        let path = format!("{DATA}/{}", data["id"].as_str().unwrap());
        assert_eq!(rest.get(&path).expect(200), data);
        let file = rest
            .send("GET", &format!("{path}/blob"), None, None)
            .unwrap();
        assert!(file.body == content, "file {number} is not what it was");
    }
    // What was not answered is there whole or not at all.
    let mut files: Vec<String> = Vec::new();
    for skip in (0..).step_by(500) {
        let listed = rest
            .get(&format!("{DATA}?limit=500&skip={skip}"))
            .expect(200);
        let listed = listed.as_array().unwrap();
        files.extend(
            listed
                .iter()
                .map(|data| data["id"].as_str().unwrap().to_owned()),
        );
        if listed.is_empty() {
            break;
        }
    }
    files.sort();
    let blobs = server.data().join("blobs");
    let mut found: Vec<String> = fs::read_dir(blobs)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, files);
}
