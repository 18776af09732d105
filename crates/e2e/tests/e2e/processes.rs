//! Does the binary tell plainly what it cannot do, before it does anything?

use photinus_e2e::{DataDirectory, Ended, Server, run_to_end};

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let mut server = Server::start();
    let data = server.data();
    let rest = server.rest();
    rest.broadcast("before", "t");
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--monitoring",
        "127.0.0.1:0",
        "--data",
    ];
    let mut arguments = arguments.to_vec();
    arguments.push(data.to_str().unwrap());
    let second = run_to_end(&arguments);
    assert_failed(&second, &[data.to_str().unwrap()]);
    let says_why = ["in use", "lock", "another"]
        .iter()
        .any(|word| second.stderr.contains(word));
    assert!(says_why, "{}", second.stderr);
    // The first is unharmed.
    rest.broadcast("after", "t");
    server.assert_running();
}

#[test]
fn two_servers_on_free_ports_do_not_meet() {
    let servers = [Server::start(), Server::start()];
    assert_ne!(servers[0].address(), servers[1].address());
    servers[0].rest().broadcast("of-the-first", "t");
    let events = servers[1].rest().get("/api/v1/events").expect(200);
    assert_eq!(events, serde_json::json!([]));
}

#[test]
fn a_killed_server_does_not_leave_its_data_locked() {
    let mut server = Server::start();
    for _ in 0..3 {
        server.kill();
        server.start_again();
    }
}

#[test]
fn help_names_the_options_and_succeeds() {
    let help = run_to_end(&["--help"]);
    assert!(help.status.success(), "{}", help.stderr);
    for option in ["--listen", "--monitoring", "--data"] {
        assert!(help.stdout.contains(option), "{}", help.stdout);
    }
    let version = run_to_end(&["--version"]);
    assert!(version.status.success(), "{}", version.stderr);
    assert!(
        version.stdout.starts_with("photinus "),
        "{}",
        version.stdout
    );
}

#[test]
fn an_unknown_option_is_refused_by_name() {
    assert_failed(&run_to_end(&["--no-such-option"]), &["--no-such-option"]);
}

#[test]
fn an_unknown_configuration_key_is_refused_by_name() {
    let data = DataDirectory::new();
    let path = data.path().join("photinus.toml");
    for (text, key) in [
        ("no_such_section = 1\n", "no_such_section"),
        ("[api]\nno_such_key = 1\n", "no_such_key"),
    ] {
        std::fs::write(&path, text).unwrap();
        let ended = run_to_end(&["--config", path.to_str().unwrap()]);
        assert_failed(&ended, &[key]);
    }
    let absent = data.path().join("absent.toml");
    let absent = absent.to_str().unwrap();
    assert_failed(&run_to_end(&["--config", absent]), &[absent]);
}

#[test]
fn an_address_that_cannot_be_used_is_refused_by_name() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for address in ["nonsense", &taken] {
        let data = DataDirectory::new();
        let data = data.path().to_str().unwrap();
        let ended = run_to_end(&[
            "--listen",
            address,
            "--monitoring",
            "127.0.0.1:0",
            "--data",
            data,
        ]);
        assert_failed(&ended, &[address]);
    }
}

/// It must end with a status other than 0, and say each of these on standard error.
#[track_caller]
fn assert_failed(ended: &Ended, expected: &[&str]) {
    assert!(
        ended.status.code().is_some_and(|code| code != 0),
        "{ended:?}"
    );
    for text in expected {
        assert!(
            ended.stderr.contains(text),
            "no {text:?} in: {}",
            ended.stderr
        );
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}
