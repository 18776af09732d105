//! What is received, where the answer is not what counts; and where events go out together?

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use photinus_e2e::{Deadline, Gate, Reaction, Receiver, free_port, wait_until};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::{Value, json};

use super::{Hook, SOON, publish, start, start_with, topics};

/// How long nothing happens to what waits.
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn besteffort_is_content_with_whatever_comes() {
    let server = start_with(SOON);
    let rest = server.rest();
    let mut receiver = Receiver::start();
    let asked = AtomicUsize::new(0);
    receiver.answers(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reaction::status(500),
        1 => Reaction::reset(),
        2 => Reaction::garbage(),
        3 => Reaction::truncated(),
        4 => Reaction::status(302).with("location", "/x"),
        _ => Reaction::status(204),
    });
    let options = json!({"confirmationMode": "besteffort"});
    let hook = Hook::to(&rest, "app", &receiver, options);
    publish(&rest, &topics(6));
    for topic in topics(6) {
        assert_eq!(receiver.receive().topic(), topic);
    }
    receiver.stop();
    publish(&rest, &["to-nobody"]);
    hook.wait_for_state(&rest, "idle");
    receiver.start_again();
    publish(&rest, &["t8"]);
    assert_eq!(receiver.receive().topic(), "t8");
    hook.wait_for_state(&rest, "idle");
    assert_eq!(receiver.count(), 7);
    assert_eq!(hook.parked(&rest), Vec::<Value>::new());
}

#[test]
fn fastack_is_content_when_a_request_was_sent() {
    let server = start_with(SOON);
    let rest = server.rest();
    for options in [
        json!({"fastack": true, "firstEvent": "newest"}),
        json!({"confirmationMode": "fastack", "firstEvent": "newest"}),
    ] {
        let mut receiver = Receiver::start();
        let gate = Gate::closed();
        let script = gate.clone();
        receiver.answers(move |_| {
            script.wait();
            Reaction::status(500)
        });
        let name = format!("app{}", receiver.address().port());
        let hook = Hook::to(&rest, &name, &receiver, options);
        publish(&rest, &topics(5));
        // Nothing is answered.
        hook.wait_for_state(&rest, "idle");
        wait_until("all to be there", || receiver.count() == 5);
        let mut came: Vec<String> = (0..5).map(|_| receiver.receive().topic()).collect();
        came.sort();
        assert_eq!(came, topics(5));
        assert_eq!(hook.status(&rest)["inFlight"], 0);
        gate.open();

        // What cannot be sent is not received.
        receiver.answers(|_| Reaction::status(204));
        receiver.stop();
        publish(&rest, &["late"]);
        hook.wait_for_reason(&rest, "no connection");
        receiver.start_again();
        assert_eq!(receiver.receive().topic(), "late");
        hook.wait_for_state(&rest, "idle");
        assert_eq!(receiver.count(), 6);
    }
}

#[test]
fn what_the_kernel_has_not_taken_is_not_sent() {
    const EVENTS: usize = 10;
    let server = start();
    let rest = server.rest();
    // It takes in little before somebody reads, and nobody does at first.
    let listener = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    set_socket_recv_buffer_size(&listener, 64 << 10).unwrap();
    let gate = Gate::closed();
    let reading = gate.clone();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let reader = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        reading.wait();
        // It answers nothing, until the other end is gone.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let options =
        json!({"fastack": true, "batch": true, "readAhead": EVENTS, "batchTimeout": "60s"});
    let hook = Hook::at(&rest, "app", &url, options);
    let text = "a".repeat(700 << 10);
    for _ in 0..EVENTS {
        let message = json!({"data": [{"value": {"text": text}}]});
        let path = "/api/v1/messages/broadcast?confirm";
        rest.post(path, &message).expect(200);
    }
    wait_until("the batch to be with the transport", || {
        hook.status(&rest)["inFlight"] == EVENTS
    });
    let quiet = Deadline::after(QUIET);
    while quiet.remaining().is_some() {
        assert_eq!(hook.status(&rest)["inFlight"], EVENTS);
    }
    gate.open();
    hook.wait_for_state(&rest, "idle");
    drop(server);
    reader.join().unwrap();
}

#[test]
fn firefly_counts_retries_and_the_event_is_held_after_them() {
    let server = start_with(SOON);
    let rest = server.rest();
    let receiver = Receiver::start();
    let gate = Arc::new(AtomicUsize::new(0));
    let asked = gate.clone();
    receiver.answers(move |_| match asked.fetch_add(1, Ordering::SeqCst) < 5 {
        true => Reaction::status(400),
        false => Reaction::status(204),
    });
    let retry = json!({"enabled": true, "count": 2, "initialDelay": "1ms", "maxDelay": "2ms"});
    let hook = Hook::to(&rest, "app", &receiver, json!({"retry": retry}));
    assert_eq!(hook.created["options"]["retry"], retry);
    publish(&rest, &topics(2));
    assert_eq!(receiver.wait_for_well(2), topics(2));
    hook.wait_for_state(&rest, "idle");
    assert_eq!(receiver.count(), 7);
    assert_eq!(hook.parked(&rest), Vec::<Value>::new());

    // With `besteffort` they are all there are.
    let last = Receiver::start();
    last.answers(|_| Reaction::status(400));
    let options = json!({"retry": retry, "confirmationMode": "besteffort"});
    let hook = Hook::to(&rest, "last", &last, options);
    wait_until("both to be given up", || last.count() >= 6);
    hook.wait_for_state(&rest, "idle");
    assert_eq!(last.count(), 6);
}

#[test]
fn a_batch_is_halved_until_the_event_that_fails_is_alone() {
    const EVENTS: usize = 8;
    let server = start_with(SOON);
    let rest = server.rest();
    let receiver = Receiver::start();
    let (well, sizes) = (Arc::new(Mutex::new(Vec::new())), Arc::default());
    let (noted, asked): (_, Arc<Mutex<Vec<usize>>>) = (well.clone(), Arc::clone(&sizes));
    receiver.answers(move |request| {
        let body = request.json();
        let events = body.as_array().expect("a batch is a list");
        let topics: Vec<String> = events
            .iter()
            .map(|value| value["topic"].as_str().unwrap().to_owned())
            .collect();
        asked.lock().unwrap().push(topics.len());
        match topics.iter().any(|topic| topic == "t6") {
            true => Reaction::status(422),
            false => {
                noted.lock().unwrap().extend(topics);
                Reaction::status(200)
            }
        }
    });
    let policy = json!({"delays": ["1ms"], "maxAttempts": 2, "then": "park"});
    let options =
        json!({"batch": true, "readAhead": EVENTS, "batchTimeout": "100ms", "retryPolicy": policy});
    let hook = Hook::to(&rest, "app", &receiver, options);
    rest.post(&format!("{}/pause", hook.path), &json!({}))
        .expect(200);
    publish(&rest, &topics(EVENTS));
    rest.post(&format!("{}/resume", hook.path), &json!({}))
        .expect(200);
    let parked = hook.wait_for_parked(&rest, 1);
    let error = parked[0]["error"].as_str().unwrap();
    assert!(error.contains("422"), "{error}");
    hook.wait_for_state(&rest, "idle");
    let one = parked[0]["event"].as_str().unwrap();
    let one = rest.get(&format!("{}/parked/{one}", hook.path)).expect(200);
    assert_eq!(one["payload"]["topic"], "t6");
    let mut expected = topics(EVENTS);
    expected.retain(|topic| topic != "t6");
    assert_eq!(*well.lock().unwrap(), expected);
    let sizes = sizes.lock().unwrap();
    assert_eq!(sizes[..2], [EVENTS, EVENTS], "{sizes:?}");
    assert!(sizes.contains(&1), "{sizes:?}");
}
