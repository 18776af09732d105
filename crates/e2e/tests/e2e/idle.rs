//! Does a server that has nothing to do leave the machine alone?

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use photinus_e2e::{PATIENCE, Server, now, wait_until};
use serde_json::json;

/// How long is looked.
const LOOK: Duration = Duration::from_secs(2);
/// How often all threads together may wake up within that. Something that looked every 100 ms would do so 20 times.
const WAKE_UPS_MAX: u64 = 12;

/// How often each thread of the server has gone to sleep so far, which it does once for each time that it woke up.
fn sleeps(server: &Server) -> BTreeMap<OsString, u64> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let counts = tasks.flatten().filter_map(|task| {
        // A thread may end while one looks.
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let mut lines = status.lines();
        let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        Some((task.file_name(), count.trim().parse().unwrap()))
    });
    counts.collect()
}

/// How often they all woke up in between. One that has ended is not counted any more: a thread that opened the store ends
/// when it had nothing to do for ten seconds.
fn wake_ups(before: &BTreeMap<OsString, u64>, after: &BTreeMap<OsString, u64>) -> u64 {
    let each = after.iter().map(|(thread, count)| {
        let before = before.get(thread).copied().unwrap_or_default();
        count.saturating_sub(before)
    });
    each.sum()
}

#[test]
fn an_idle_server_with_subscriptions_attached_hardly_ever_wakes_up() {
    let server = Server::start();
    let rest = server.rest();
    let mut sockets = Vec::new();
    for n in 0..10 {
        let name = format!("app{n}");
        rest.subscribe(&name, json!({}), json!({"firstEvent": "oldest"}));
        let mut socket = server.socket("/ws");
        assert!(socket.start(&name));
        let start = json!({"type": "start", "ephemeral": true, "namespace": "default"});
        assert!(socket.send(start));
        sockets.push(socket);
    }
    rest.broadcast("topic", "tag");
    for (n, socket) in sockets.iter_mut().enumerate() {
        let name = format!("app{n}");
        wait_until(
            "the durable subscription's event, which is acknowledged",
            || {
                let event = socket.receive();
                let reference = &event["subscription"];
                let ack = json!({"type": "ack", "id": event["id"], "subscription": reference});
                assert!(socket.send(ack));
                reference["name"] == name.as_str()
            },
        );
    }
    // It settles: offsets are written, the database is tidied up. From then on, nothing.
    let begun = now();
    let mut woken = u64::MAX;
    while woken > WAKE_UPS_MAX {
        assert!(begun.elapsed() < PATIENCE, "{woken} wake-ups in {LOOK:?}");
        let before = sleeps(&server);
        std::thread::sleep(LOOK);
        woken = wake_ups(&before, &sleeps(&server));
    }
}
