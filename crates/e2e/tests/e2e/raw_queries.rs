//! Does the query of an upgrade start what it names, flag by flag and key by key?

use std::time::Duration;

use photinus_e2e::{FrameBytes, Heard, RawSocket, Rest, Server, opcode, wait_until};
use serde_json::{Value, json};

/// Long enough for an event that must not come. Only where nothing can come in its stead.
const QUIET: Duration = Duration::from_millis(300);

const PINNED: &str = "/api/v1/namespaces/default/ws";

fn connections(rest: &Rest) -> Vec<Value> {
    let status = rest.get("/api/v1/websockets").expect(200);
    status["connections"].as_array().unwrap().clone()
}

#[test]
fn a_failed_start_is_told_bare_and_counts_and_binds_but_ends_nothing() {
    let server = Server::start();
    let rest = server.rest();
    rest.post("/api/v1/namespaces", &json!({"name": "other"}))
        .expect(201);
    rest.subscribe("app", json!({}), json!({}));
    rest.broadcast("t1", "t");
    let ephemeral = "/ws?ephemeral&namespace=default";
    for (path, expected) in [
        (
            "/ws?ephemeral&namespace=nowhere".to_owned(),
            "FF10187: Namespace does not exist",
        ),
        (
            "/ws?name=app&namespace=nowhere".to_owned(),
            "FF10187: Namespace does not exist",
        ),
        ("/ws?ephemeral".to_owned(), "FF10178: "),
        ("/ws?ephemeral&namespace=".to_owned(), "FF10178: "),
        ("/ws?name=app".to_owned(), "FF10178: "),
        ("/ws?name=&namespace=default".to_owned(), "FF10178: "),
        ("/ws?name&namespace=default".to_owned(), "FF10178: "),
        (
            "/ws?name=&namespace=default&ephemeral=false".to_owned(),
            "FF10178: ",
        ),
        (format!("{PINNED}?name="), "FF10178: "),
        (format!("{PINNED}?ephemeral&namespace=other"), "FF10462: "),
        (format!("{PINNED}?name=app&namespace=nowhere"), "FF10462: "),
        (format!("{ephemeral}&filter.events=("), "FF10171: "),
        (format!("{ephemeral}&filter.message.tag=%28"), "FF10171: "),
        (format!("{ephemeral}&filter.message.group=("), "FF10171: "),
        (format!("{ephemeral}&filter.message.author=("), "FF10171: "),
        (
            format!("{ephemeral}&filter.transaction.type=("),
            "FF10171: ",
        ),
        (format!("{ephemeral}&filter.blockchain.name=("), "FF10171: "),
        (
            format!("{ephemeral}&filter.blockchain.listener=("),
            "FF10171: ",
        ),
        (format!("{ephemeral}&filter.topic=("), "FF10171: "),
        (format!("{ephemeral}&filter.topics=("), "FF10171: "),
        (format!("{ephemeral}&filter.tag=("), "FF10171: "),
        (format!("{ephemeral}&filter.group=("), "FF10171: "),
        (format!("{ephemeral}&filter.author=("), "FF10171: "),
    ] {
        let failed = |path: &str| {
            let mut socket = RawSocket::open(server.address(), path);
            let error = socket.receive_error();
            assert!(error.starts_with(expected), "{path}: {error}");
            assert!(!error.contains("FF10176"), "{path}: {error}");
            assert_eq!(socket.settle(), Vec::<Value>::new(), "{path}");
            socket
        };
        let app = json!({"type": "start", "namespace": "default", "name": "app"});
        // It is usable, and the failed start counts: an ack has to name its subscription.
        let mut socket = failed(&path);
        let listed = connections(&rest);
        assert_eq!(
            listed[0]["subscriptions"].as_array().unwrap().len(),
            1,
            "{path}"
        );
        socket.send(&app);
        let event = socket.receive_topic("t1");
        socket.send(&json!({"type": "ack", "id": event["id"]}));
        let error = socket.receive_error_and_end(1008);
        assert!(error.contains("FF10175: "), "{path}: {error}");
        // It binds the connection to acknowledgements, which it did not decline.
        let mut socket = failed(&path);
        let mut asked = app.clone();
        asked["autoack"] = true.into();
        socket.send(&asked);
        let error = socket.receive_error_and_end(1008);
        assert!(error.contains("FF10179: "), "{path}: {error}");
        // Or to none, if it did.
        let mut socket = failed(&format!("{path}&autoack"));
        asked["autoack"] = false.into();
        socket.send(&asked);
        let error = socket.receive_error_and_end(1008);
        assert!(error.contains("FF10179: "), "{path}: {error}");
        wait_until("it to be gone", || connections(&rest).is_empty());
    }
}

#[test]
fn a_flag_is_true_unless_it_is_literally_false() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    let ack = r#"{"type":"ack"}"#;
    for (flag, autoack) in [
        ("", false),
        ("&autoack", true),
        ("&autoack=", true),
        ("&autoack=true", true),
        ("&autoack=TRUE", true),
        ("&autoack=FALSE", true),
        ("&autoack=False", true),
        ("&autoack=0", true),
        ("&autoack=no", true),
        ("&autoack=false", false),
        ("&autoack=%66alse", false),
        // The first value counts, and keys have their letters.
        ("&autoack=false&autoack=true", false),
        ("&autoack&autoack=false", true),
        ("&Autoack", false),
    ] {
        let mut socket = RawSocket::open(
            server.address(),
            &format!("/ws?namespace=default&name=app{flag}"),
        );
        socket.send_text(ack);
        let error = socket.receive_error_and_end(1008);
        let expected = match autoack {
            true => "FF10176: Invalid data: FF10180: ",
            false => "FF10176: Invalid data: FF10175: ",
        };
        assert!(error.starts_with(expected), "{flag}: {error}");
    }
    for (query, starts) in [
        ("ephemeral", 1),
        ("ephemeral=true", 1),
        ("ephemeral=FALSE", 1),
        ("ephemeral=0", 1),
        ("ephemeral=false", 0),
        ("Ephemeral", 0),
        ("", 0),
        ("autoack", 0),
        ("name=app", 1),
        ("name=app&ephemeral=false", 1),
        ("Name=app", 0),
    ] {
        let path = format!("/ws?namespace=default&{query}");
        let mut socket = RawSocket::open(server.address(), &path);
        socket.settle();
        let here = socket.local_address().to_string();
        let listed = connections(&rest);
        let mine = listed
            .iter()
            .find(|it| it["remoteAddress"] == here)
            .unwrap();
        let listed = mine["subscriptions"].as_array().unwrap();
        assert_eq!(listed.len(), starts, "{query}");
        for start in listed {
            let named_only = query.starts_with("name");
            assert_eq!(start["ephemeral"], !named_only, "{query}");
        }
        // Nothing is bound where nothing was started.
        if starts == 0 {
            socket.send(
                &json!({"type": "start", "namespace": "default", "name": "x", "autoack": true}),
            );
            socket.settle();
        }
    }
}

#[test]
fn the_read_ahead_is_a_number_of_sixteen_bits_or_nothing() {
    let server = Server::start();
    let rest = server.rest();
    let mut sockets: Vec<(String, usize, RawSocket)> = [
        ("", 1),
        ("&readahead=0", 1),
        ("&readahead=2", 3),
        ("&readahead=65535", 5),
        ("&readahead=65536", 1),
        ("&readahead=-1", 1),
        ("&readahead=1.5", 1),
        ("&readahead=0x2", 1),
        ("&readahead=many", 1),
        ("&readahead=", 1),
        ("&readahead", 1),
        ("&readAhead=2", 1),
    ]
    .into_iter()
    .map(|(query, in_flight)| {
        let path = format!("/ws?ephemeral&namespace=default{query}");
        let mut socket = RawSocket::open(server.address(), &path);
        socket.settle();
        (query.to_owned(), in_flight, socket)
    })
    .collect();
    for number in 1..=5 {
        rest.broadcast(&format!("t{number}"), "t");
    }
    let mut firsts = Vec::new();
    for (_, in_flight, socket) in &mut sockets {
        let events: Vec<Value> = (1..=*in_flight)
            .map(|number| socket.receive_topic(&format!("t{number}")))
            .collect();
        firsts.push(events[0].clone());
    }
    std::thread::sleep(QUIET);
    for ((query, in_flight, socket), first) in sockets.iter_mut().zip(firsts) {
        assert_eq!(
            socket.settle(),
            Vec::<Value>::new(),
            "{query}: more in flight than asked"
        );
        socket.ack(&first);
        match *in_flight {
            5 => {}
            in_flight => drop(socket.receive_topic(&format!("t{}", in_flight + 1))),
        }
    }
}

#[test]
fn an_ephemeral_start_takes_batches_and_a_durable_one_keeps_to_what_is_stored() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    let open = |query: &str| {
        let path = format!("/ws?namespace=default&{query}");
        let mut socket = RawSocket::open(server.address(), &path);
        socket.settle();
        socket
    };
    // A bad duration is none: then a batch is what is there.
    let durations = [
        "",
        "&batchtimeout=50ms",
        "&batchtimeout=soon",
        "&batchtimeout=",
    ];
    let mut batched =
        durations.map(|duration| open(&format!("ephemeral&batch&readahead=2{duration}")));
    let mut plain = open("ephemeral&batch=false&batchtimeout=1h");
    let mut durable = open("name=app&batch&readahead=9&batchtimeout=1h&filter.topic=^never");
    for topic in ["t1", "t2", "t3"] {
        rest.broadcast(topic, "t");
    }
    for socket in &mut batched {
        let mut topics = Vec::new();
        while topics.len() < 3 {
            let batch = socket.receive();
            assert_eq!(batch["type"], "event_batch", "{batch}");
            let events = batch["events"].as_array().unwrap();
            assert!(events.len() <= 2, "{batch}");
            topics.extend(events.iter().map(|event| event["topic"].clone()));
            socket.ack(&batch);
        }
        assert_eq!(topics, ["t1", "t2", "t3"]);
    }
    plain.receive_and_ack(["t1", "t2", "t3"]);
    durable.receive_topic("t1");
    std::thread::sleep(QUIET);
    assert_eq!(
        durable.settle(),
        Vec::<Value>::new(),
        "the stored read-ahead is 0"
    );
}

#[test]
fn an_ephemeral_start_has_the_filters_of_its_keys_and_begins_with_the_newest() {
    let server = Server::start();
    let rest = server.rest();
    let group_body = json!({"group": {"members": [{"identity": "a"}]}, "data": [{"value": 1}]});
    let grouped = rest
        .post("/api/v1/messages/private", &group_body)
        .expect(202);
    let group = grouped["header"]["group"].as_str().unwrap();
    // Of two messages, one without and one with what is wanted.
    let both = ["filter.events=^message_confirmed$".to_owned()];
    let one = [
        "filter.message.tag=^wanted$".to_owned(),
        "filter.tag=^wanted$".to_owned(),
        // The newer key is the one that counts.
        "filter.tag=^other$&filter.message.tag=^wanted$".to_owned(),
        "filter.topic=^b$&filter.topics=^a$".to_owned(),
        "filter.topics=^b$".to_owned(),
        "filter.message.author=wanted-author".to_owned(),
        "filter.author=wanted%2Dauthor".to_owned(),
        format!("filter.message.group={group}"),
        format!("filter.group={group}"),
        // What the event has not is an empty text.
        "filter.transaction.type=^$&filter.message.tag=^wanted$".to_owned(),
        "filter.blockchain.name=^$&filter.blockchain.listener=^$&filter.tag=%5Ewanted".to_owned(),
        // Keys are exact, and what is no key is ignored, also what cannot be decoded.
        "filter.blockchainevent.name=^x&filter.message.tag=^wanted$".to_owned(),
        "Filter.Topic=^x&filter.tag=^wanted$&filter.topic=%zz".to_owned(),
        "firstEvent=oldest&withData=true&filter.tag=^wanted$".to_owned(),
        // A plus is a blank.
        "filter.tag=^wan+ted$|^wanted$".to_owned(),
    ];
    let none = [
        "filter.blockchain.name=^x".to_owned(),
        "filter.blockchain.listener=^x".to_owned(),
        "filter.transaction.type=^x".to_owned(),
    ];
    let open = |queries: &[String]| -> Vec<(String, RawSocket)> {
        let open = |query: &String| {
            let path = format!("/ws?ephemeral&namespace=default&autoack&{query}");
            let mut socket = RawSocket::open(server.address(), &path);
            socket.settle();
            (query.clone(), socket)
        };
        queries.iter().map(open).collect()
    };
    let (both, one, none) = (open(&both), open(&one), open(&none));
    let without = json!({"header": {"topics": ["a"], "tag": "unwanted", "author": "x"}, "data": [{"value": 1}]});
    let without = rest
        .post("/api/v1/messages/broadcast", &without)
        .expect(202);
    let with = json!({
        "header": {"topics": ["b"], "tag": "wanted", "author": "wanted-author", "group": group},
        "data": [{"value": 1}],
    });
    let with = rest.post("/api/v1/messages/private", &with).expect(202);
    for (query, mut socket) in both {
        for message in [&without, &with] {
            assert_eq!(
                socket.receive()["reference"],
                message["header"]["id"],
                "{query}"
            );
        }
    }
    for (query, mut socket) in one {
        assert_eq!(
            socket.receive()["reference"],
            with["header"]["id"],
            "{query}"
        );
    }
    std::thread::sleep(QUIET);
    for (query, mut socket) in none {
        assert_eq!(socket.settle(), Vec::<Value>::new(), "{query}");
    }
}

#[test]
fn the_queries_of_known_clients_work() {
    let server = Server::start();
    let rest = server.rest();
    let created = rest.subscribe("app", json!({}), json!({}));
    let open = |path: &str| {
        let mut socket = RawSocket::open(server.address(), path);
        socket.settle();
        socket
    };
    let mut console = open("/ws?namespace=default&ephemeral&autoack");
    let mut sdk = open("/ws?ephemeral=true&namespace=default&filter.events=message_confirmed");
    let mut durable = open("/ws?namespace=default&name=app");
    let mut pinned = open(&format!("{PINNED}?name=waits"));
    let mut pinned_ephemeral = open(&format!("{PINNED}?ephemeral&namespace=default"));
    for topic in ["t1", "t2"] {
        rest.broadcast(topic, "t");
    }
    rest.subscribe("waits", json!({}), json!({}));
    console.receive_topic("t1");
    console.receive_topic("t2");
    for socket in [&mut sdk, &mut durable, &mut pinned, &mut pinned_ephemeral] {
        let event = socket.receive_topic("t1");
        // One start, so the id is enough; of whatever data type.
        let ack = json!({"type": "ack", "id": event["id"]}).to_string();
        socket.write(&FrameBytes::new(opcode::BINARY, ack).bytes());
    }
    assert_eq!(
        durable.receive_topic("t2")["subscription"]["id"],
        created["id"]
    );
    assert_eq!(
        sdk.receive_topic("t2")["subscription"]["namespace"],
        "default"
    );
    // A start that goes wrong later ends the connection all the same.
    sdk.send(&json!({"type": "start", "namespace": "nowhere", "name": "x"}));
    loop {
        match sdk.hear() {
            Heard::Json(frame) if frame["type"] == "protocol_error" => {
                assert!(frame["error"].as_str().unwrap().contains("FF10436"));
                break sdk.expect_end(1008);
            }
            Heard::Json(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
