//! Does every command say what it did, to people and to programs?

use photinus_e2e::{Server, Shell, free_port};
use serde_json::{Value, json};

fn objects(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn a_subscription_is_made_shown_changed_and_deleted() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    let empty = shell.run(&["subscription", "list"]);
    assert_eq!(empty.stdout, "");
    assert!(
        empty.stderr.contains("photinus subscription create"),
        "{empty:?}"
    );

    let words = [
        "subscription",
        "create",
        "app1",
        "--topic",
        "^a$",
        "--first-event",
        "oldest",
        "--read-ahead",
        "5",
    ];
    let created = shell.prints(&words);
    assert!(created.contains("Filter     topic ~ ^a$"), "{created}");
    shell.prints(&["sub", "create", "app2", "--json"]);

    let listed = shell.prints(&["subscription", "list"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    let column = lines[0].find("FILTER").unwrap();
    assert!(
        lines[1..]
            .iter()
            .any(|line| line[column..].starts_with("topic ~ ^a$")),
        "{listed}"
    );
    let mut names: Vec<Value> = objects(&shell.prints(&["subscription", "ls", "--json"]))
        .into_iter()
        .map(|object| object["name"].clone())
        .collect();
    names.sort_by_key(Value::to_string);
    assert_eq!(names, ["app1", "app2"]);

    shell.prints(&[
        "subscription",
        "update",
        "app1",
        "--tag",
        "^t$",
        "--topic",
        "",
    ]);
    server.rest().broadcast("a", "t");
    let shown = &objects(&shell.prints(&["subscription", "show", "app1", "--json"]))[0];
    assert_eq!(shown["filter"]["message"]["tag"], "^t$");
    assert_eq!(shown["filter"].get("topic"), None);
    assert_eq!(shown["options"]["readAhead"], 5);
    assert_eq!(shown["status"]["currentOffset"], -1);
    assert_eq!(
        (&shown["head"], &shown["connections"]),
        (&json!(1), &json!([]))
    );
    let by_id = shell.prints(&["subscription", "show", shown["id"].as_str().unwrap()]);
    assert!(
        by_id.contains("at most 1 behind") && by_id.contains("photinus listen app1"),
        "{by_id}"
    );

    let mut socket = server.socket("/ws");
    assert!(socket.start("app1"));
    socket.receive();
    let served = shell.prints(&["subscription", "show", "app1"]);
    assert!(served.contains("Listening  127.0.0.1:"), "{served}");

    let deleted = shell.run(&["subscription", "delete", "app1", "app2"]);
    assert_eq!(
        (deleted.status.code(), deleted.stdout.as_str()),
        (Some(0), "")
    );
    assert_eq!(deleted.stderr, "deleted app1\ndeleted app2\n");
    let gone = shell.run(&["subscription", "show", "app1"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(
        gone.stderr.contains("there is no subscription 'app1'"),
        "{gone:?}"
    );
}

#[test]
fn what_a_transport_cannot_do_is_said_with_its_code() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    shell.prints(&["subscription", "create", "app1"]);
    for (words, code) in [
        (&["test", "app1"][..], "PH00448"),
        (&["test", "app1", "--json"], "PH00448"),
        (
            &[
                "test",
                "app1",
                "--event",
                "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01",
            ],
            "PH00441",
        ),
        (&["rotate-secret", "app1"], "PH00449"),
        (
            &["rotate-secret", "app1", "--secret", "s", "--overlap", "90m"],
            "PH00449",
        ),
        (&["rotate-secret", "app1", "--overlap", "soon"], "FF00137"),
        (&["test", "app2"], "there is no subscription 'app2'"),
        (
            &["rotate-secret", "app2"],
            "there is no subscription 'app2'",
        ),
    ] {
        let words = [&["subscription"], words].concat();
        let ended = shell.run(&words);
        assert_eq!(
            (ended.status.code(), ended.stdout.as_str()),
            (Some(1), ""),
            "{words:?}"
        );
        assert!(ended.stderr.contains(code), "{words:?}: {ended:?}");
    }
}

#[test]
fn a_namespace_is_made_and_used_by_name_or_by_environment() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    shell.prints(&["namespace", "create", "plant", "--description", "世界"]);
    let listed = shell.prints(&["namespace", "list"]);
    assert!(listed.starts_with("NAME     CREATED"), "{listed}");
    assert_eq!(objects(&shell.prints(&["ns", "list", "--json"])).len(), 2);
    let shown = &objects(&shell.prints(&["namespace", "show", "plant", "--json"]))[0];
    assert_eq!(shown["description"], "世界");

    shell.prints(&["publish", "-n", "plant", "one"]);
    let there = shell.clone().variable("PHOTINUS_NAMESPACE", "plant");
    there.prints(&["publish", "two"]);
    let words = [
        "listen",
        "--first-event",
        "oldest",
        "--count",
        "2",
        "--json",
        "--with-data",
    ];
    let values: Vec<Value> = objects(&there.prints(&words))
        .iter()
        .map(|event| event["values"].clone())
        .collect();
    assert_eq!(values, [json!(["one"]), json!(["two"])]);

    let unknown = shell.run(&["publish", "-n", "nope", "x"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        unknown.stderr.contains("FF10436") && unknown.stderr.contains("photinus namespace list"),
        "{unknown:?}"
    );
}

#[test]
fn who_finds_no_server_is_told_what_to_do() {
    let shell = Shell::at(&format!("http://127.0.0.1:{}", free_port()));
    for words in [
        &["publish", "x"][..],
        &["publish", "-", "--lines"],
        &["listen"],
        &["listen", "app1"],
        &["subscription", "list"],
        &["namespace", "list"],
    ] {
        let ended = shell.run_with(words, "a line\n");
        assert_eq!(ended.status.code(), Some(1), "{words:?}");
        assert_eq!(ended.stdout, "");
        assert!(
            ended
                .stderr
                .starts_with("photinus: no server at http://127.0.0.1:")
                && ended
                    .stderr
                    .contains("start one with `photinus`, or say where with --url or PHOTINUS_URL"),
            "{words:?}: {ended:?}"
        );
    }
}

#[test]
fn what_cannot_be_meant_is_status_2() {
    let shell = Shell::bare();
    for (words, what) in [
        (&["publish"][..], "nothing to publish"),
        (&["publish", "a", "-"], "no other values"),
        (
            &["publish", "-", "--request"],
            "for values on the command line",
        ),
        (
            &["publish", "a", "b", "--idempotency-key", "k"],
            "--idempotency-prefix",
        ),
        (&["publish", "a", "--from-line", "2"], "for lines"),
        (
            &["publish", "x", "--url", "localhost"],
            "expected an address such as http://127.0.0.1:5000",
        ),
        (
            &["publish", "x", "--timeout", "soon"],
            "expected something like 500ms",
        ),
        (
            &["listen", "app1", "--topic", "x"],
            "photinus subscription update",
        ),
        (&["listen", "--create"], "<NAME>"),
        (&["listen", "--count", "0"], "--count"),
        (&["listen", "--first-event", "first"], "newest, oldest"),
        (&["subscription"], "Usage"),
        (&["subscription", "delete"], "<NAMES>"),
        (&["completions", "sh"], "bash"),
        (&["publich"], "publish"),
    ] {
        let ended = shell.run(words);
        assert_eq!(ended.status.code(), Some(2), "{words:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{words:?}");
        assert!(ended.stderr.contains(what), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn completions_load_in_bash() {
    let shell = Shell::bare();
    let script = "source <(\"$PHOTINUS\" completions bash) || exit 3\n\
                  COMP_WORDS=(photinus subsc) COMP_CWORD=1\n\
                  _photinus photinus subsc photinus; echo \"${COMPREPLY[@]}\"\n\
                  COMP_WORDS=(photinus listen --fir) COMP_CWORD=2\n\
                  _photinus photinus --fir listen; echo \"${COMPREPLY[@]}\"";
    let ended = shell.script(script).end();
    assert_eq!(
        (ended.status.code(), ended.stdout.as_str()),
        (Some(0), "subscription\n--first-event\n"),
        "{ended:?}"
    );
    for name in ["zsh", "fish", "elvish", "powershell"] {
        assert!(
            shell
                .prints(&["completions", name])
                .contains("subscription")
        );
    }
}
