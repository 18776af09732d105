//! Does what an operator says in a file, a variable or a flag take effect, and is a mistake told before anything
//! happens?

use std::net::TcpListener;
use std::path::Path;

use photinus_e2e::{DataDirectory, Ended, Launch, Server, StopSignal, run_to_end, run_to_end_as};
use serde_json::{Value, json};

const FREE: &str = "127.0.0.1:0";

/// A working directory with this `photinus.toml`.
fn directory(toml: &str) -> DataDirectory {
    let directory = DataDirectory::new();
    std::fs::write(directory.path().join("photinus.toml"), toml).unwrap();
    directory
}

fn config(launch: &Launch, arguments: &str) -> Ended {
    let arguments: Vec<&str> = ["config"]
        .into_iter()
        .chain(arguments.split_whitespace())
        .collect();
    run_to_end_as(launch, &arguments)
}

#[track_caller]
fn assert_says(output: &str, lines: &[&str]) {
    for line in lines {
        let is_there = output.lines().any(|said| said == *line);
        assert!(is_there, "{line:?} is not in:\n{output}");
    }
}

#[test]
fn a_file_here_is_below_the_environment_and_that_below_the_flags() {
    let place = directory(
        "[api]\nbody_bytes_max = 50\nreplies_awaited_max = 3\nlisten = '192.0.2.1:1'\n[log]\nlevel = 'off'\n",
    );
    let launch = Launch::default()
        .directory(place.path())
        .variable("PHOTINUS__API__BODY_BYTES_MAX", "60")
        .variable("PHOTINUS__API__LISTEN", "192.0.2.1:2")
        .variable("photinus__log__level", "debug")
        .variable("PHOTINUS_URL", "of a client");
    // The flag's address is the only one of the three that this machine has.
    let mut server = Server::start_as(DataDirectory::new(), FREE, launch);
    let body = |length: usize| json!({"data": [{"value": "x".repeat(length)}]});
    let publish = |length| {
        let path = "/api/v1/messages/broadcast";
        server.rest().post(path, &body(length))
    };
    publish(1).expect(202);
    let error = publish(60).error();
    assert!(error.contains("60 bytes ([api] body_bytes_max)"), "{error}");
    server.stop(StopSignal::Term);
    assert!(server.log().contains("DEBUG"), "{}", server.log());
}

#[test]
fn what_is_in_force_is_shown_with_where_it_comes_from() {
    let place = directory("data = 'here'\n[api]\n\norigins = ['https://a.example']\n");
    let launch = Launch::default()
        .directory(place.path())
        .variable("PHOTINUS__STORE__SQLITE__SYNCHRONOUS", "normal")
        .variable("PHOTINUS__API__HOSTS", "a,b");
    let shown = config(&launch, "show --log-level warn");
    assert!(shown.status.success(), "{shown:?}");
    assert_says(
        &shown.stdout,
        &[
            "data = \"here\"  # photinus.toml:1",
            "[api]",
            "listen = \"127.0.0.1:5000\"",
            "origins = [\"https://a.example\"]  # photinus.toml:4",
            "hosts = [\"a\", \"b\"]  # PHOTINUS__API__HOSTS",
            "[store.sqlite]",
            "synchronous = \"normal\"  # PHOTINUS__STORE__SQLITE__SYNCHRONOUS",
            "[log]",
            "level = \"warn\"  # --log-level",
        ],
    );
    // What it prints is a configuration file.
    let again = Launch::default().configuration(&shown.stdout);
    let again = config(&again, "show");
    assert!(
        again.stdout.starts_with("data = \"here\"  # /"),
        "{again:?}"
    );

    let shown = config(&launch, "show --json --log-level warn");
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["configuration"]["api"]["hosts"], json!(["a", "b"]));
    assert_eq!(
        shown["origins"],
        json!({
            "data": "photinus.toml:1",
            "api.origins": "photinus.toml:4",
            "api.hosts": "PHOTINUS__API__HOSTS",
            "store.sqlite.synchronous": "PHOTINUS__STORE__SQLITE__SYNCHRONOUS",
            "log.level": "--log-level",
        })
    );
}

#[test]
fn the_file_is_the_one_of_the_flag_or_of_the_variable_or_the_one_that_is_here() {
    let place = directory("data = 'of-here'\n");
    let other = directory("data = 'of-the-variable'\n");
    let third = directory("data = 'of-the-flag'\n");
    let file = |place: &DataDirectory| place.path().join("photinus.toml");
    let shows = |launch: &Launch, flags: &str, data: &str| {
        let shown = config(launch, &format!("show {flags}"));
        let line = format!("data = \"{data}\"");
        assert!(shown.stdout.starts_with(&line), "{shown:?}");
    };
    let launch = Launch::default();
    shows(&launch, "", "photinus-data");
    let launch = launch.directory(place.path());
    shows(&launch, "", "of-here");
    shows(&launch, "--config /dev/null", "photinus-data");
    let launch = launch.variable("PHOTINUS_CONFIG", file(&other));
    shows(&launch, "", "of-the-variable");
    let flag = format!("--config {}", file(&third).display());
    shows(&launch, &flag, "of-the-flag");
}

#[test]
fn a_mistake_ends_it_before_a_port_is_taken_or_data_is_touched() {
    let taken = TcpListener::bind(FREE).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let place = directory("[store.sqlite]\nsynchronus = 'normal'\n\n[transports.websocket]\n");
    let launch = Launch::default()
        .directory(place.path())
        .variable("PHOTINUS__ENGINE__SHARDS", "many");
    let told = [
        "photinus: photinus.toml:2: unknown key `synchronus` in [store.sqlite]; did you mean `synchronous`?",
        "photinus: photinus.toml:4: there is no transport `websocket`; did you mean `[transports.websockets]`?",
        "photinus: PHOTINUS__ENGINE__SHARDS: [engine] shards: expected a whole number from 0 to 256, got \"many\"",
    ];
    // A port that is taken would be status 1.
    let started = run_to_end_as(&launch, &["--listen", &taken]);
    let checked = config(&launch, &format!("check --listen {taken}"));
    let shown = config(&launch, "show");
    for ended in [started, checked, shown] {
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert_eq!(ended.stdout, "");
        assert_eq!(ended.stderr.lines().collect::<Vec<_>>(), told);
    }
    assert_eq!(entries(place.path()), ["photinus.toml"]);
}

#[test]
fn a_check_says_that_all_is_right_and_starts_nothing() {
    let taken = TcpListener::bind(FREE).unwrap();
    let place = directory(&format!(
        "[api]\nlisten = '{}'\n",
        taken.local_addr().unwrap()
    ));
    let launch = Launch::default().directory(place.path());
    let ended = config(&launch, "check");
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(
        ended.stdout,
        "The configuration is right (photinus.toml).\n"
    );
    assert_eq!(ended.stderr, "");
    assert_eq!(entries(place.path()), ["photinus.toml"]);
}

#[test]
fn the_file_to_begin_with_starts_a_server() {
    let begun = run_to_end(&["config", "show", "--default"]);
    assert!(begun.status.success(), "{begun:?}");
    assert!(begun.stdout.contains("\n#synchronous = \"full\"\n"));
    let launch = Launch::default().configuration(&begun.stdout);
    let mut server = Server::start_as(DataDirectory::new(), FREE, launch);
    server.stop(StopSignal::Term);
}

#[test]
fn the_schema_is_printed_whatever_the_configuration_is() {
    let place = directory("nonsense");
    let launch = Launch::default()
        .directory(place.path())
        .variable("PHOTINUS__NONSENSE", "");
    let printed = config(&launch, "schema");
    assert!(printed.status.success(), "{printed:?}");
    let schema: Value = serde_json::from_str(&printed.stdout).unwrap();
    let synchronous = &schema["properties"]["store"]["properties"]["sqlite"]["properties"];
    assert_eq!(synchronous["synchronous"]["default"], "full");
    let websockets = &schema["properties"]["transports"]["properties"]["websockets"];
    assert_eq!(websockets["additionalProperties"], json!(false));
}

#[test]
fn with_the_largest_values_that_it_takes_it_serves_and_stops() {
    let launch = Launch::default().configuration(&extremes("maximum", i64::MAX));
    let mut server = Server::start_as(DataDirectory::new(), FREE, launch);
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"readAhead": 50}));
    let mut socket = server.socket("/ws");
    socket.start("app");
    for topic in ["t1", "t2", "t3"] {
        rest.broadcast(topic, "t");
        socket.receive_and_ack([topic]);
    }
    let events = rest.get("/api/v1/events").expect(200);
    assert_eq!(events.as_array().map(Vec::len), Some(3));
    server.stop(StopSignal::Term);
}

#[test]
fn with_the_smallest_values_that_it_takes_it_starts_and_stops() {
    let launch = Launch::default().configuration(&extremes("minimum", 0));
    let mut server = Server::start_as(DataDirectory::new(), FREE, launch);
    server.stop(StopSignal::Term);
    server.start_again();
    server.stop(StopSignal::Int);
}

/// A configuration with every number at that bound of the schema, or at this one where the schema has none.
fn extremes(bound: &str, otherwise: i64) -> String {
    fn search(schema: &Value, path: &str, found: &mut impl FnMut(&str, &Value)) {
        let properties = schema["properties"].as_object();
        for (name, property) in properties.into_iter().flatten() {
            let path = format!("{path}{name}");
            found(&path, property);
            search(property, &format!("{path}."), found);
        }
    }
    let schema = run_to_end(&["config", "schema"]);
    let schema = serde_json::from_str(&schema.stdout).unwrap();
    let mut toml = String::new();
    search(&schema, "", &mut |path, key| {
        let types = key["type"].to_string();
        if types.contains("integer") {
            let value = key[bound].as_i64().unwrap_or(otherwise);
            toml.push_str(&format!("{path} = {value}\n"));
        }
    });
    assert!(toml.lines().count() > 30, "{toml}");
    toml
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
