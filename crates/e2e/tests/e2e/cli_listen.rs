//! Does `listen` show every event, acknowledge what it has shown and nothing else, and go on after everything?

use std::time::Duration;

use photinus_e2e::{DataDirectory, Launch, Server, Shell, free_port, wait_until};
use serde_json::Value;

fn offset(shell: &Shell, name: &str) -> i64 {
    let shown: Value =
        serde_json::from_str(&shell.prints(&["subscription", "show", name, "--json"])).unwrap();
    // 0 is left out.
    shown["status"]["currentOffset"].as_i64().unwrap_or(0)
}

#[test]
fn a_durable_name_goes_on_after_what_was_shown() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    let missing = shell.run(&["listen", "app"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(missing.stderr.contains("--create"), "{missing:?}");

    for number in 1..=5 {
        server.rest().broadcast(&format!("t{number}"), "tag");
    }
    let words = [
        "listen",
        "app",
        "--create",
        "--first-event",
        "oldest",
        "--count",
        "2",
    ];
    let first = shell.prints(&words);
    let columns: Vec<Vec<&str>> = first
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(columns.len(), 2);
    assert_eq!(columns[0][1..5], ["1", "message_confirmed", "t1", "tag"]);
    assert!(
        first
            .lines()
            .next()
            .unwrap()
            .ends_with("{\"topic\":\"t1\"}"),
        "{first}"
    );
    wait_until("the acknowledgements to be stored", || {
        offset(&shell, "app") == 2
    });

    let second = shell.prints(&["listen", "app", "--count", "3", "--json"]);
    let topics: Vec<Value> = second
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["topic"].clone())
        .collect();
    assert_eq!(topics, ["t3", "t4", "t5"]);
}

#[test]
fn every_filter_reaches_the_server() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    server.rest().broadcast("wanted", "tag1");
    server.rest().broadcast("other", "tag2");
    shell.prints(&[
        "publish", "x", "--topic", "last", "--tag", "tag3", "--author", "me",
    ]);
    for (words, topic) in [
        (["--topic", "^wanted$"], "wanted"),
        (["--tag", "^tag2$"], "other"),
        (["--author", "^me$"], "last"),
        (["--events", "^message_"], "wanted"),
        (["--group", "^$"], "wanted"),
        (["--transaction-type", "^$"], "wanted"),
        (["--blockchainevent-name", "^$"], "wanted"),
        (["--blockchainevent-listener", "^$"], "wanted"),
    ] {
        let all = [
            &[
                "listen",
                "--first-event",
                "oldest",
                "--json",
                "--count",
                "1",
            ],
            &words[..],
        ]
        .concat();
        let event: Value = serde_json::from_str(&shell.prints(&all)).unwrap();
        assert_eq!(event["topic"], topic, "{words:?}");
    }
    for filter in [
        "--group",
        "--transaction-type",
        "--blockchainevent-name",
        "--blockchainevent-listener",
    ] {
        let listener = shell.start(&["listen", "--first-event", "oldest", filter, "^x$"]);
        listener.wait_until_said("listening");
        assert!(
            listener.is_silent_for(Duration::from_millis(200)),
            "{filter}"
        );
    }
    let wrong = shell.run(&["listen", "--topic", "("]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(wrong.stderr.contains("FF10171"), "{wrong:?}");
}

#[test]
fn batches_are_shown_event_by_event_and_acknowledged_as_one() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    for number in 1..=7 {
        server.rest().broadcast(&format!("t{number}"), "tag");
    }
    let words = [
        "listen",
        "app",
        "--create",
        "--first-event",
        "oldest",
        "--batch",
        "--read-ahead",
        "3",
        "--batch-timeout",
        "10ms",
        "--count",
        "7",
    ];
    assert_eq!(shell.prints(&words).lines().count(), 7);
    wait_until("the acknowledgements to be stored", || {
        offset(&shell, "app") == 7
    });
}

#[test]
fn both_kinds_of_listener_miss_nothing_when_the_server_is_killed() {
    let address = format!("127.0.0.1:{}", free_port());
    let mut server = Server::start_with(DataDirectory::new(), &address);
    let shell = Shell::new(server.address());
    let durable = shell.start(&["listen", "app", "--create", "--first-event", "oldest"]);
    let ephemeral = shell.start(&["listen"]);
    durable.wait_until_said("listening to 'app'");
    ephemeral.wait_until_said("listening to 'default' for now");
    for life in 0..3 {
        for listener in [&durable, &ephemeral] {
            if life > 0 {
                wait_until("it to be back", || {
                    listener.said().matches("again").count() >= 2 * life
                });
            }
        }
        let text = format!("life {life}");
        shell.prints(&["publish", &text]);
        for listener in [&durable, &ephemeral] {
            // What was acknowledged just before a kill may come again.
            while !listener.line().ends_with(&format!("\"{text}\"")) {}
        }
        server.kill();
        server.start_again();
        // Nobody may be back yet.
        let between = format!("after {life}");
        shell.prints(&["publish", &between]);
        for listener in [&durable, &ephemeral] {
            while !listener.line().ends_with(&format!("\"{between}\"")) {}
        }
    }
    for listener in [durable, ephemeral] {
        listener.interrupt();
        let ended = listener.end();
        assert_eq!(ended.status.code(), Some(130), "{ended:?}");
        let mut sequences: Vec<u64> = ended
            .stdout
            .lines()
            .map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap())
            .collect();
        if ended.stderr.contains("'app'") {
            // What was acknowledged just before a kill may come again.
            sequences.sort_unstable();
            sequences.dedup();
        }
        assert_eq!(sequences, [1, 2, 3, 4, 5, 6], "{}", ended.stderr);
    }
}

#[test]
fn a_pipe_that_nobody_reads_ends_quietly() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    for _ in 0..2_000 {
        // Small, so that the reader is gone long before the end.
        server.rest().broadcast("t", "tag");
    }
    for script in [
        "\"$PHOTINUS\" listen --first-event oldest --json | head -n 2",
        "\"$PHOTINUS\" listen --first-event oldest | head -n 1",
        "\"$PHOTINUS\" completions bash | head -n 1",
    ] {
        let ended = shell.script(script).end();
        assert_eq!(ended.status.code(), Some(0), "{script}: {ended:?}");
        assert!(
            !ended.stderr.contains("photinus:") && !ended.stderr.contains("panic"),
            "{ended:?}"
        );
    }
}

#[test]
fn what_the_pipe_has_not_taken_is_not_acknowledged() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    // Two or three of them fill a pipe.
    let large = "x".repeat(30_000);
    for _ in 0..20 {
        shell.prints(&["publish", &large]);
    }
    let words = "listen app --create --first-event oldest --json --with-data";
    let ended = shell
        .script(&format!("\"$PHOTINUS\" {words} | sleep 1"))
        .end();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let next: Value =
        serde_json::from_str(&shell.prints(&["listen", "app", "--count", "1", "--json"])).unwrap();
    assert!(next["sequence"].as_u64().unwrap() <= 4, "{next}");
}

#[test]
fn what_was_not_printed_is_not_acknowledged() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    for number in 1..=3 {
        server.rest().broadcast(&format!("t{number}"), "tag");
    }
    let words = [
        "listen",
        "app",
        "--create",
        "--first-event",
        "oldest",
        "--read-ahead",
        "1",
        "--no-ack",
    ];
    let looker = shell.start(&words);
    assert!(looker.line().contains("t1"));
    assert!(looker.line().contains("t2"));
    assert!(
        looker.is_silent_for(Duration::from_millis(300)),
        "more than read-ahead + 1"
    );

    // A second one waits for its turn, and says so.
    let second = shell.start(&["listen", "app"]);
    second.wait_until_said("listens to 'app' already");
    looker.interrupt();
    assert_eq!(looker.end().status.code(), Some(130));
    for topic in ["t1", "t2", "t3"] {
        assert!(second.line().contains(topic));
    }
}

#[test]
fn a_command_is_run_for_each_event_and_again_when_it_fails() {
    let server = Server::start();
    let shell = Shell::new(server.address());
    let directory = DataDirectory::new();
    let failed = directory.path().join("failed");
    for number in 1..=5 {
        server.rest().broadcast(&format!("t{number}"), "tag");
    }
    // Fails once, for the third.
    let command = format!(
        "event=$(cat); topic=${{event#*\\\"topics\\\":\\[\\\"}}; topic=${{topic%%\\\"*}}; echo $topic; \
         if [ $topic = t3 ] && [ ! -e {0} ]; then : > {0}; exit 7; fi",
        failed.display()
    );
    for (name, batch) in [("single", "--batch=false"), ("batched", "--batch=true")] {
        let _ = std::fs::remove_file(&failed);
        let words = [
            "listen",
            name,
            "--create",
            "--first-event",
            "oldest",
            "--read-ahead",
            "4",
            batch,
            "--count",
            "5",
            "--exec",
            &command,
        ];
        let ended = shell.clone().variable("PATH", "/usr/bin:/bin").run(&words);
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(ended.stdout, "t1\nt2\nt3\nt3\nt4\nt5\n", "{ended:?}");
        assert!(
            ended
                .stderr
                .contains("event 3: the command ended with exit status: 7; it comes again"),
            "{ended:?}"
        );
        wait_until("the acknowledgements to be stored", || {
            offset(&shell, name) == 5
        });
    }
}

#[test]
fn what_a_command_has_done_is_acknowledged_before_the_next_begins_and_the_connection_stays() {
    let pinging = "[transports.websockets]\nping_interval = \"1s\"\n";
    let launch = Launch::default().configuration(pinging);
    let server = Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch);
    let shell = Shell::new(server.address());
    let gates = DataDirectory::new();
    for number in 1..=3 {
        server.rest().broadcast(&format!("t{number}"), "tag");
    }
    // Each command says that it has begun, and goes on until its gate is open or there is no gate any more.
    let command = format!(
        "event=$(cat); topic=${{event#*\\\"topics\\\":\\[\\\"}}; topic=${{topic%%\\\"*}}; cd {}; : > begun-$topic; \
         until [ -e open-$topic ] || [ ! -e begun-$topic ]; do sleep 0.02; done; echo $topic",
        gates.path().display()
    );
    let words = [
        "listen",
        "app",
        "--create",
        "--first-event",
        "oldest",
        "--exec",
        &command,
    ];
    let listener = shell
        .clone()
        .variable("PATH", "/usr/bin:/bin")
        .start(&words);
    let begun = |topic: &str| {
        let sign = gates.path().join(format!("begun-{topic}"));
        wait_until(&format!("the command of {topic} to begin"), || {
            sign.exists()
        });
    };
    let open = |topic: &str| {
        std::fs::write(gates.path().join(format!("open-{topic}")), "").unwrap();
    };

    begun("t1");
    // Three times as long as the server waits for an answer to a ping.
    std::thread::sleep(Duration::from_secs(3));
    open("t1");
    assert_eq!(listener.line(), "t1");
    begun("t2");
    wait_until("the first to be acknowledged while the second runs", || {
        offset(&shell, "app") == 1
    });
    open("t2");
    assert_eq!(listener.line(), "t2");
    begun("t3");
    listener.interrupt();
    open("t3");
    let ended = listener.end();
    assert!(!ended.stderr.contains("lost"), "{ended:?}");
    wait_until("the second to be acknowledged", || {
        offset(&shell, "app") >= 2
    });
}
