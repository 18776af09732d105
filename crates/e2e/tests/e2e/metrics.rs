//! What does the server tell those who watch it?

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use photinus_e2e::{DataDirectory, Exposition, Full, Launch, Power, Server, wait_until};
use serde_json::json;

#[track_caller]
fn scrape(server: &Server) -> Exposition {
    let reply = server.monitoring().get("/metrics");
    assert_eq!(reply.status, 200);
    let kind = reply.content_type.as_deref();
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    Exposition::parse(&reply.text())
}

/// The families of the reference page that a server without an SPI has: name, kind and labels.
fn documented() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `") && !line.contains("_admin_"));
    rows.map(|row| {
        let cells: Vec<&str> = row
            .split(" | ")
            .map(|cell| cell.trim_matches(['|', ' ']))
            .collect();
        let labels = cells[2].replace('`', "").replace(' ', ",");
        format!("{} {} {{{labels}}}", cells[0].replace('`', ""), cells[1])
    })
    .collect()
}

#[test]
fn everything_that_the_reference_lists_is_there_as_prometheus_reads_it() {
    let server = Server::start();
    let before = scrape(&server);
    assert_eq!(before.get("photinus_ready", &[]), 1.0);
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"readAhead": 10}));
    let mut socket = server.socket("/ws");
    socket.start("app");
    rest.broadcast("orders", "new");
    let confirmed = "/api/v1/messages/broadcast?confirm=true";
    rest.post(confirmed, &json!({"data": [{"value": 1}]}))
        .expect(200);
    let private = json!({"group": {"members": [{"identity": "a"}]}, "data": [{"value": 1}]});
    rest.post("/api/v1/messages/private", &private).expect(202);
    let refused = json!({"header": {"tag": "no tag"}});
    rest.post("/api/v1/messages/broadcast", &refused)
        .expect(400);
    for _ in 0..3 {
        let event = socket.receive();
        assert!(socket.ack(&event));
    }
    wait_until("the answers to be counted", || {
        scrape(&server).get("photinus_outcomes_total", &["default", "websockets", "ack"]) == 3.0
    });
    let figures = scrape(&server);
    let shape: BTreeSet<String> = figures.shape().lines().map(str::to_owned).collect();
    assert_eq!(shape, documented(), "docs/reference/metrics.md");

    let lane = &["default", "websockets"];
    for (name, labels, expected) in [
        (
            "photinus_messages_published_total",
            &["default", "broadcast", "rest"][..],
            1.0,
        ),
        (
            "photinus_messages_published_total",
            &["default", "broadcast", "confirm"],
            1.0,
        ),
        (
            "photinus_messages_published_total",
            &["default", "private", "rest"],
            1.0,
        ),
        ("photinus_publish_refused_total", &["FF00140"], 1.0),
        ("photinus_deliveries_total", lane, 3.0),
        ("photinus_subscriptions", lane, 1.0),
        ("photinus_subscriptions_active", lane, 1.0),
        ("photinus_connections", &["websockets"], 1.0),
        (
            "photinus_subscription_lag_sequences",
            &["default", "app"],
            0.0,
        ),
        ("photinus_subscription_active", &["default", "app"], 1.0),
        ("photinus_head_sequence", &["default"], 3.0),
        ("photinus_store_failing", &[], 0.0),
        ("ff_broadcast_confirmed_total", &["default"], 2.0),
        ("ff_broadcast_histogram_count", &["default"], 2.0),
        ("ff_private_msg_submitted_total", &["default"], 1.0),
        (
            "ff_apiserver_rest_requests_total",
            &["400", "POST", "127.0.0.1", "/api/v1/messages/broadcast"],
            1.0,
        ),
        (
            "ff_apiserver_rest_requests_total",
            &[
                "201",
                "POST",
                "127.0.0.1",
                "/api/v1/namespaces/{ns}/subscriptions",
            ],
            1.0,
        ),
        (
            "ff_apiserver_rest_requests_total",
            &["101", "GET", "127.0.0.1", "/ws"],
            1.0,
        ),
    ] {
        assert_eq!(figures.get(name, labels), expected, "{name} {labels:?}");
    }
    // What Prometheus' own libraries call theirs.
    assert!(figures.get("process_resident_memory_bytes", &[]) > 1e6);
    assert!(figures.get("process_open_fds", &[]) > 3.0);
}

/// One request with exactly these words, whatever comes back.
fn raw(address: SocketAddr, method: &str, path: &str, host: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
}

#[test]
fn no_client_can_make_the_answer_large() {
    let launch = Launch::default().configuration("[monitoring]\nsubscriptions_max = 10\n");
    let server = Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch);
    let rest = server.rest();
    rest.broadcast("t", "one");
    // Side by side, so that they share their commits.
    std::thread::scope(|scope| {
        for first in 0..30 {
            let rest = server.rest();
            scope.spawn(move || {
                for number in (first..1_500).step_by(30) {
                    let start = if number % 100 == 7 {
                        "oldest"
                    } else {
                        "newest"
                    };
                    let options = json!({"firstEvent": start});
                    rest.subscribe(&format!("s{number:04}"), json!({}), options);
                }
            });
        }
    });
    for number in 0..50 {
        let address = server.address();
        raw(
            address,
            &format!("BREW{number}"),
            "/api/v1/events",
            "localhost",
        );
        raw(address, "GET", &format!("/made/up/{number}"), "localhost");
        raw(
            address,
            "GET",
            &format!("/api/v1/namespaces/ns{number}/events"),
            "localhost",
        );
        raw(
            address,
            "GET",
            "/api/v1/events",
            &format!("127.0.0.{number}:{number}"),
        );
        raw(
            address,
            "GET",
            "/api/v1/events",
            &format!("name{number}.example"),
        );
        let path = format!("/api/v1/namespaces/made-up-{number}/messages/broadcast");
        rest.post(&path, &json!({})).expect(404);
    }
    let figures = scrape(&server);
    let mut oldest: Vec<String> = (0..15).map(|n| format!("s{:04}", n * 100 + 7)).collect();
    oldest.truncate(10);
    for (name, family) in figures.families() {
        if name.starts_with("photinus_subscription_") {
            let shown: Vec<&str> = family.values("subscription").into_iter().collect();
            assert_eq!(shown, oldest, "{name}: those furthest behind, then by name");
        }
        let hosts = family.values("host");
        assert!(
            hosts
                .iter()
                .all(|host| ["127.0.0.1", "localhost", "other"].contains(host)),
            "{hosts:?}"
        );
        let methods = family.values("method");
        assert!(
            methods
                .iter()
                .all(|method| ["GET", "POST", "other"].contains(method)),
            "{methods:?}"
        );
        assert!(
            family.values("route").len() < 10,
            "{:?}",
            family.values("route")
        );
        assert!(
            family.values("ns").iter().all(|ns| *ns == "default"),
            "{name}"
        );
        assert!(
            family.values("code").len() < 10,
            "{:?}",
            family.values("code")
        );
    }
    let lane = &["default", "websockets"];
    assert_eq!(figures.get("photinus_subscriptions", lane), 1_500.0);
    assert_eq!(figures.get("photinus_subscriptions_behind", lane), 15.0);
    assert_eq!(figures.get("photinus_subscriptions_left_out", &[]), 1_490.0);
    assert!(figures.len() < 1_000, "{}", figures.len());
}

#[test]
fn readiness_follows_the_disk_though_nobody_publishes() {
    for full in [Full::Growth, Full::AllWrites] {
        let data = DataDirectory::new();
        let power = Power::new(data.clone());
        // The write-ahead file is written again and again: when the disk is full, it has room for a small write and
        // none for a large one.
        let launch = power.launch();
        let launch = launch.configuration("[store.sqlite]\ncheckpoint_pages = 100\n");
        let server = Server::start_as(data.clone(), "127.0.0.1:0", launch);
        let rest = server.rest();
        let monitoring = server.monitoring();
        rest.broadcast("t", "before");
        assert_eq!(monitoring.get("/readyz").text(), "ready\n");
        let body = json!({"data": [{"value": "x".repeat(100_000)}]});
        let mut stored = 1;
        wait_until("a checkpoint", || {
            rest.post("/api/v1/messages/broadcast", &body).expect(202);
            stored += 1;
            scrape(&server).get("photinus_store_checkpoints_total", &[]) >= 2.0
        });
        power.fill(full);
        let refused = loop {
            let reply = rest.post("/api/v1/messages/broadcast", &body);
            match reply.status {
                202 => stored += 1,
                _ => break reply,
            }
            assert!(stored < 1_000, "the disk is not full");
        };
        assert_eq!(refused.status, 503, "{}", refused.text());
        let not_ready = monitoring.get("/readyz");
        let said = not_ready.text();
        assert_eq!(not_ready.status, 503, "{said}");
        assert!(
            said.starts_with("not ready: the store refuses writes: no space left")
                && said.ends_with('\n')
                && said.lines().count() == 1,
            "{said:?}"
        );
        assert_eq!(monitoring.get("/livez").status, 200);
        assert_eq!(scrape(&server).get("photinus_store_failing", &[]), 1.0);
        assert_eq!(scrape(&server).get("photinus_ready", &[]), 0.0);
        // It is tried and tried, and does not seem well in between.
        let tried = |server: &Server| scrape(server).get("photinus_store_transactions_total", &[]);
        let goal = tried(&server) + 3.0;
        wait_until("three trials", || {
            assert_eq!(monitoring.get("/readyz").status, 503);
            tried(&server) >= goal
        });
        power.free();
        wait_until("readiness", || monitoring.get("/readyz").status == 200);
        assert_eq!(scrape(&server).get("photinus_store_failing", &[]), 0.0);
        let events = rest.get("/api/v1/events?limit=1000").expect(200);
        assert_eq!(
            events.as_array().unwrap().len(),
            stored,
            "trials are no events"
        );
        let mut names: Vec<_> = std::fs::read_dir(data.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "photinus.db",
                "photinus.db-shm",
                "photinus.db-wal",
                "photinus.lock"
            ]
        );
        rest.broadcast("t", "after");
    }
}
