//! Is a password one in every layer: under a name of the operator's own, as text or as table, and in a URL?

use super::*;

/// The targets that the transport gets.
fn targets(configuration: &Configuration) -> &Value {
    &configuration.settings.transports["carrier-pigeons"]["targets"]
}

/// All that is shown of it.
fn shown(configuration: &Configuration) -> [String; 2] {
    [configuration.to_toml(), show::json(configuration)]
}

#[test]
fn a_secret_under_a_name_of_the_operator_is_one_and_nothing_else_is() {
    let toml = "[transports.carrier-pigeons.targets.main]\nurl = 'roof'\npassword = 'tweet'\n\
        [transports.carrier-pigeons.targets.'*']\nurl = 'tree'";
    let variables = [
        (
            "PHOTINUS__TRANSPORTS__CARRIER_PIGEONS__TARGETS__MAIN__PASSWORD",
            "cheep",
        ),
        (
            "PHOTINUS__TRANSPORTS__CARRIER_PIGEONS__TARGETS__OTHER__URL",
            "pole",
        ),
        (
            "PHOTINUS__TRANSPORTS__CARRIER_PIGEONS__TARGETS__OTHER__PASSWORD",
            "chirp",
        ),
    ];
    let configuration = told(toml, &variables, Arguments::default()).unwrap();
    assert_eq!(
        targets(&configuration),
        &json!({
            "*": {"url": "tree"},
            "main": {"url": "roof", "password": "cheep"},
            "other": {"url": "pole", "password": "chirp"},
        })
    );
    for shown in shown(&configuration) {
        for secret in ["tweet", "cheep", "chirp"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        for url in ["roof", "tree", "pole"] {
            assert!(shown.contains(url), "{shown}");
        }
    }
    let shown = configuration.to_toml();
    for line in [
        "[transports.carrier-pigeons.targets.main]",
        "password = \"***\"  # PHOTINUS__TRANSPORTS__CARRIER_PIGEONS__TARGETS__MAIN__PASSWORD",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{shown}");
    }

    let schema = Schema::new::<File>(&plugins());
    let page = reference::page(&schema);
    let (_, of_target) = page
        .split_once("## `[transports.carrier-pigeons.targets.NAME]`")
        .unwrap();
    let (password, url) = of_target.split_once("targets.NAME] url`").unwrap();
    let (url, _) = url.split_once("\n## ").unwrap();
    for words in [
        "A secret: shown as `***`.",
        "| a text or { env = … } or { file = … } | not set |",
    ] {
        assert!(password.contains(words), "{password}");
    }
    assert!(!url.contains("secret"), "{url}");
}

#[test]
fn a_password_is_a_text_or_a_table_in_every_layer() {
    let of_file = |password: &str| {
        let toml = format!(
            "[transports.carrier-pigeons.targets.main]\nurl = 'roof'\npassword = {password}"
        );
        file(&toml)
    };
    let of_variable = |password: &str| {
        // What is covered is no part of it, whichever of both it was.
        let toml = "[transports.carrier-pigeons.targets.main]\nurl = 'roof'\npassword = { file = '/secret' }";
        let name = "PHOTINUS__TRANSPORTS__CARRIER_PIGEONS__TARGETS__MAIN__PASSWORD";
        told(toml, &[(name, password)], Arguments::default())
    };
    let given = |told: Result<Configuration, Vec<String>>| {
        let configuration = told.unwrap();
        for shown in shown(&configuration) {
            assert!(shown.contains("\"***\""), "{shown}");
        }
        targets(&configuration)["main"]["password"].clone()
    };
    for (written, value) in [
        ("'tweet'", json!("tweet")),
        ("{ env = 'PIGEON' }", json!({"env": "PIGEON"})),
        ("{ file = '/run/secret' }", json!({"file": "/run/secret"})),
    ] {
        assert_eq!(given(of_file(written)), value, "{written}");
    }
    let section = "[transports.carrier-pigeons.targets.main]\nurl = 'roof'\n\
        [transports.carrier-pigeons.targets.main.password]\nenv = 'PIGEON'";
    assert_eq!(given(file(section)), json!({"env": "PIGEON"}));
    for (written, value) in [
        ("tweet", json!("tweet")),
        ("5", json!("5")),
        ("true", json!("true")),
        ("2026-01-01", json!("2026-01-01")),
        ("'tweet'", json!("'tweet'")),
        (" {tweet} ", json!(" {tweet} ")),
        ("[1]", json!("[1]")),
        ("{ env = \"PIGEON\" }", json!({"env": "PIGEON"})),
        ("{\"env\": \"PIGEON\"}", json!({"env": "PIGEON"})),
        (" { file = '/run/secret' } ", json!({"file": "/run/secret"})),
    ] {
        assert_eq!(given(of_variable(written)), value, "{written}");
    }
    // Nothing takes it away.
    let nothing = of_variable("").unwrap();
    assert_eq!(targets(&nothing), &json!({"main": {"url": "roof"}}));

    let right = "expected a text or { env = … } or { file = … }";
    for error in [
        of_file("5").unwrap_err(),
        of_file("{ evn = 'PIGEON' }").unwrap_err(),
        of_file("{ env = 5 }").unwrap_err(),
        of_file("{}").unwrap_err(),
        of_variable("{ evn = 'PIGEON' }").unwrap_err(),
        of_variable("{\"evn\": \"PIGEON\"}").unwrap_err(),
        of_variable("{ env = 5 }").unwrap_err(),
    ] {
        let [error] = &error[..] else {
            panic!("{error:?}");
        };
        let key = "[transports.carrier-pigeons.targets.main] password: ";
        assert!(error.ends_with(&format!("{key}{right}")), "{error}");
    }
    let name = "PHOTINUS__TRANSPORTS__CARRIER_PIGEONS__TARGETS__MAIN__PASSWORD";
    let deeper = format!("{name}__ENV");
    let error = told("", &[(&deeper, "PIGEON")], Arguments::default()).unwrap_err();
    let words = format!(
        "set it with {name}, which takes {}",
        &right["expected ".len()..]
    );
    assert!(error.concat().ends_with(&words), "{error:?}");
}

#[test]
fn a_password_in_a_url_is_shown_nowhere() {
    let toml = "[transports.carrier-pigeons]\nnames = { x = 'amqp://a:tweet@h1,amqp://b:tweet@h2' }\n\
        [transports.carrier-pigeons.targets.main]\nurl = 'amqp://user:tw%40eet@127.0.0.1/%2f'";
    let configuration = file(toml).unwrap();
    assert_eq!(
        targets(&configuration)["main"]["url"],
        "amqp://user:tw%40eet@127.0.0.1/%2f"
    );
    for shown in shown(&configuration) {
        assert!(!shown.contains("tw"), "{shown}");
        for url in [
            "\"amqp://user:***@127.0.0.1/%2f\"",
            "\"amqp://a:***@h1,amqp://b:***@h2\"",
        ] {
            assert!(shown.contains(url), "{shown}");
        }
    }
    let long = format!("https://user:{}tweet@a.example", "t".repeat(60));
    for (toml, variables) in [
        ("[api]\norigins = ['https://u:tweet@a.example']", &[][..]),
        ("[api]\nlisten = 'tcp://u:tweet@a.example'", &[]),
        ("[api]\nreads_max = ['https://u:tweet@a.example']", &[]),
        (
            "[transports.carrier-pigeons]\nflock_max = 'https://u:tw/eet@a.example'",
            &[],
        ),
        (
            "[transports.carrier-pigeons.targets.main]\nurl = { x = 'https://u:tweet@a.example' }",
            &[],
        ),
        ("", &[("PHOTINUS__API__LISTEN", "tcp://u:tweet@a.example")]),
        ("", &[("PHOTINUS__API__READS_MAX", long.as_str())]),
        ("", &[("PHOTINUS__LOG__LEVEL", "tcp://u:tweet@a.example")]),
    ] {
        let errors = told(toml, variables, Arguments::default()).unwrap_err();
        let errors = errors.concat();
        assert!(
            !errors.contains("tweet") && !errors.contains("ttt"),
            "{errors}"
        );
        assert!(errors.contains("expected"), "{errors}");
    }
}

#[test]
fn a_file_that_all_can_read_is_warned_of_if_a_password_is_in_it() {
    let target = "[transports.carrier-pigeons.targets.main]\n";
    for (toml, warned) in [
        ("url = 'roof'", None),
        ("url = 'amqp://user@roof'", None),
        ("url = 'roof'\npassword = { env = 'PIGEON' }", None),
        ("url = 'roof'\npassword = { file = '/run/secret' }", None),
        ("url = 'roof'\npassword = 'tweet'", Some("password")),
        ("url = 'amqp://user:tweet@roof'", Some("url")),
    ] {
        let mut found = NamedTempFile::new().unwrap();
        found
            .write_all(format!("{target}{toml}").as_bytes())
            .unwrap();
        for mode in [0o600, 0o644] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(found.path(), permissions).unwrap();
            let arguments = Arguments {
                config: Some(found.path().to_owned()),
                ..Arguments::default()
            };
            let told = Configuration::load_for(&plugins(), arguments, &Environment::default());
            let warnings = told.unwrap().warnings;
            let warned = warned.filter(|_| mode == 0o644);
            assert_eq!(
                warnings.len(),
                usize::from(warned.is_some()),
                "{toml}: {warnings:?}"
            );
            if let (Some(key), [warning]) = (warned, &warnings[..]) {
                let words = format!(
                    "[transports.carrier-pigeons.targets.main] {key} holds a secret, and everybody"
                );
                assert!(warning.contains(&words), "{warning}");
                assert!(!warning.contains("tweet"), "{warning}");
            }
        }
    }
}
