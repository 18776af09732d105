//! What happens when the server, or a client, stands still for longer than any timeout?

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use photinus_e2e::{DataDirectory, Frame, Launch, Rest, Server, Socket, now, wait_until};
use serde_json::{Value, json};

/// Longer than the server waits for the head of a request, for a client that takes nothing, and for what is under
/// way when it stops: 10 seconds each. And than everything below.
const STANDSTILL: Duration = Duration::from_secs(11);
const CONFIGURATION: &str =
    "[api]\nrequest_timeout = '2s'\n[transports.websockets]\nping_interval = '1s'\n";
const ACK_TIMEOUT: &str = "500ms";
const EVENTS: usize = 40;

/// What one consumer received of the events t0, t1, t2 and so on.
struct Chain {
    /// The place of the last delivery.
    last: Option<usize>,
    /// How many places were ever reached.
    reached: usize,
    passes: usize,
}

impl Chain {
    fn new() -> Self {
        Self {
            last: None,
            reached: 0,
            passes: 1,
        }
    }

    /// After an ack timeout or on a new connection it begins again, at any place that was reached; otherwise
    /// each event follows the one before.
    #[track_caller]
    fn received(&mut self, event: &Value) {
        let topic = event["topic"].as_str().unwrap();
        let place: usize = topic.strip_prefix('t').unwrap().parse().unwrap();
        if self.last.map_or(0, |last| last + 1) != place {
            assert!(
                place < self.reached,
                "{topic} came after {:?}, and {} were reached",
                self.last,
                self.reached
            );
            self.passes += 1;
        }
        self.last = Some(place);
        self.reached = self.reached.max(place + 1);
    }
}

/// An application that goes on whatever happens to its connection.
struct Application {
    name: &'static str,
    socket: Socket,
    chain: Chain,
    connections: usize,
}

impl Application {
    fn new(server: &Server, name: &'static str, options: Value) -> Self {
        server
            .rest()
            .subscribe(name, json!({"topic": "^t"}), options);
        Self {
            name,
            socket: started(server, name),
            chain: Chain::new(),
            connections: 1,
        }
    }

    /// Receives the next events, single or in a batch, which are not answered.
    #[track_caller]
    fn receive(&mut self, server: &Server) -> Value {
        loop {
            match self.socket.next_frame() {
                Frame::Closed => {
                    self.socket = started(server, self.name);
                    self.connections += 1;
                }
                Frame::Pong(_) => {}
                Frame::Json(frame) => {
                    assert_ne!(frame["type"], "protocol_error", "{}: {frame}", self.name);
                    match frame["events"].as_array() {
                        Some(events) => events.iter().for_each(|event| self.chain.received(event)),
                        None => self.chain.received(&frame),
                    }
                    return frame;
                }
            }
        }
    }

    /// Receives and acknowledges until the last event has come after all others.
    #[track_caller]
    fn finish(&mut self, server: &Server, count: usize) {
        while self.chain.last != Some(count - 1) {
            let frame = self.receive(server);
            self.socket.ack(&frame);
        }
    }
}

fn started(server: &Server, name: &str) -> Socket {
    let mut socket = server.socket("/ws");
    assert!(socket.start(name));
    socket
}

#[test]
fn a_server_that_stood_still_goes_on_and_delivers_what_timed_out_again() {
    let launch = Launch::default().configuration(CONFIGURATION);
    let mut server = Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch);
    let rest = server.rest();
    let timed = |read_ahead: usize| json!({"readAhead": read_ahead, "ackTimeout": ACK_TIMEOUT});
    let mut silent = Application::new(&server, "silent", timed(3));
    let mut prompt = Application::new(&server, "prompt", timed(3));
    let mut patient = Application::new(&server, "patient", json!({"readAhead": 3}));
    let batch =
        json!({"batch": true, "readAhead": 4, "batchTimeout": "10ms", "ackTimeout": ACK_TIMEOUT});
    let mut batches = Application::new(&server, "batches", batch);
    // The head of a request is half sent.
    let mut half = TcpStream::connect(server.address()).unwrap();
    half.write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: ")
        .unwrap();
    for number in 0..4 {
        rest.broadcast(&format!("t{number}"), "t");
    }
    let silent_first: Vec<Value> = (0..4).map(|_| silent.receive(&server)).collect();
    let prompt_first: Vec<Value> = (0..4).map(|_| prompt.receive(&server)).collect();
    let patient_first: Vec<Value> = (0..4).map(|_| patient.receive(&server)).collect();
    let mut batches_first = batches.receive(&server);
    while batches.chain.reached < 4 {
        assert!(batches.socket.ack(&batches_first));
        batches_first = batches.receive(&server);
    }

    server.suspend();
    let stopped = now();
    let address = server.address();
    std::thread::scope(|scope| {
        // It is answered when the server goes on, or has taken too long by then.
        let under_way = scope.spawn(|| {
            let body = message("t4", "of-the-patient-client");
            let reply = Rest::new(address).try_json("POST", BROADCAST, &body);
            let reply = reply.expect("an answer, however late");
            assert!([202, 408].contains(&reply.status), "{}", reply.text());
        });
        // Its client gives up. Whether it is stored will be seen.
        let body = message("given-up", "of-the-impatient-client").to_string();
        let mut given_up = TcpStream::connect(address).unwrap();
        write!(
            given_up,
            "POST {BROADCAST} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        given_up
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        assert!(
            given_up.read(&mut [0]).is_err(),
            "a server that stands still answers"
        );
        drop(given_up);
        // A connection that is made now is served later.
        let opened = scope.spawn(move || {
            let mut socket = Socket::open(address, "/ws").expect("the upgrade, however late");
            socket.ping(b"here");
            assert_eq!(socket.next_frame(), Frame::Pong(b"here".to_vec()));
        });
        for event in &prompt_first {
            assert!(prompt.socket.ack(event));
        }
        wait_until("longer than any timeout", || {
            stopped.elapsed() >= STANDSTILL
        });
        server.resume();
        under_way.join().unwrap();
        opened.join().unwrap();
    });

    // The rest of the request comes too late for the server, and is answered or the connection is closed.
    let _ = half.write_all(b"localhost\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let _ = half.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty()
            || answer.starts_with("HTTP/1.1 200")
            || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );

    // What was left open is settled by its key: once, whatever happened.
    for (topic, key) in [
        ("t4", "of-the-patient-client"),
        ("given-up", "of-the-impatient-client"),
    ] {
        let reply = server.rest().post(BROADCAST, &message(topic, key));
        assert!([202, 409].contains(&reply.status), "{}", reply.text());
    }
    let newest = server.rest().get("/api/v1/events?limit=100").expect(200);
    let mut stored = topics(&newest);
    stored.sort_unstable();
    assert_eq!(stored, ["given-up", "t0", "t1", "t2", "t3", "t4"]);

    // What was not answered in time comes again, from the first on, and counts as failed.
    let again = silent.receive(&server);
    assert_eq!(again["topic"], "t0", "{again}");
    // A connection that did not answer the pings was ended meanwhile, and that counts nothing.
    if silent.connections == 1 {
        assert!(again["attempt"].as_u64() >= Some(2), "{again}");
    }
    assert!(silent.chain.passes > 1);
    // Answers to what has timed out are late, and no error.
    for event in &silent_first {
        silent.socket.ack(event);
    }
    silent.socket.ack(&again);
    for event in &patient_first {
        patient.socket.ack(event);
    }
    for number in 5..EVENTS {
        server.rest().broadcast(&format!("t{number}"), "t");
    }
    for application in [&mut silent, &mut prompt, &mut patient, &mut batches] {
        application.finish(&server, EVENTS);
        println!(
            "{}: {} passes over {} connections",
            application.name, application.chain.passes, application.connections
        );
    }
    server.assert_running();
    let said = server.log();
    assert!(
        !said.contains("panicked") && !said.contains("ERROR"),
        "{said}"
    );

    server.kill();
    server.start_again();
    let events = server.rest().get("/api/v1/events?limit=100").expect(200);
    assert_eq!(topics(&events).len(), EVENTS + 1);
}

#[test]
fn a_server_that_stood_still_in_the_middle_of_its_stop_ends_cleanly() {
    let launch = Launch::default().configuration("[api]\nrequest_timeout = '30s'\n");
    let mut server = Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch);
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"ackTimeout": ACK_TIMEOUT}));
    let sent = rest.broadcast("t0", "t");
    let mut socket = started(&server, "app");
    socket.receive_topic("t0");
    // A request that keeps the stop waiting: its body does not come.
    let mut slow = TcpStream::connect(server.address()).unwrap();
    write!(
        slow,
        "POST {BROADCAST} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    )
    .unwrap();
    server.stop_with_standstill(Duration::from_millis(20), STANDSTILL);
    server.start_again();
    let id = sent["header"]["id"].as_str().unwrap();
    server
        .rest()
        .get(&format!("/api/v1/messages/{id}"))
        .expect(200);
    let mut socket = started(&server, "app");
    socket.receive_and_ack(["t0"]);
}

/// More than the send queue and the buffers of the system take.
const LARGE_EVENTS: usize = 60;
const VALUES: usize = 1_000;

#[test]
fn a_client_that_stands_still_holds_up_nobody_and_gets_everything_later() {
    let server = Server::start();
    let options = json!({"readAhead": LARGE_EVENTS, "ackTimeout": ACK_TIMEOUT});
    let mut still = Application::new(&server, "still", options);
    let mut brisk = Application::new(&server, "brisk", json!({"readAhead": LARGE_EVENTS}));
    // A reader that asks for a large answer and does not fetch it.
    let mut hanging = TcpStream::connect(server.address()).unwrap();
    let rest = server.rest();
    let stopped = now();
    for number in 0..LARGE_EVENTS {
        // The event holds a reference to each value of its message.
        let mut body = message(&format!("t{number}"), &format!("key-{number}"));
        body["data"] = vec![json!({"value": 1}); VALUES].into();
        assert_eq!(rest.post(BROADCAST, &body).status, 202);
    }
    hanging
        .write_all(
            b"GET /api/v1/events?limit=60&fetchreferences HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )
        .unwrap();
    brisk.finish(&server, LARGE_EVENTS);
    assert_eq!(brisk.chain.passes, 1, "its events came again without need");
    // The other has read nothing, and its deliveries have timed out several times by now.
    wait_until("several ack timeouts", || {
        stopped.elapsed() >= Duration::from_secs(4)
    });
    rest.broadcast(&format!("t{LARGE_EVENTS}"), "t");
    brisk.finish(&server, LARGE_EVENTS + 1);
    still.finish(&server, LARGE_EVENTS + 1);
    println!("still: {} passes", still.chain.passes);
    assert!(still.chain.passes > 1, "nothing has timed out");
    assert_eq!(still.connections, 1, "its connection was ended");
    let mut head = [0; 15];
    hanging.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
}

const BROADCAST: &str = "/api/v1/namespaces/default/messages/broadcast";

fn message(topic: &str, key: &str) -> Value {
    json!({"header": {"topics": [topic], "tag": "t"}, "data": [{"value": 1}], "idempotencyKey": key})
}

fn topics(events: &Value) -> Vec<&str> {
    let events = events.as_array().unwrap().iter();
    events
        .map(|event| event["topic"].as_str().unwrap())
        .collect()
}
