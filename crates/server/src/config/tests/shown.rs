//! Is what is shown right, and no secret?

use super::*;

#[test]
fn what_is_shown_can_be_read_again_and_is_the_same() {
    let toml = "[api]\nhosts = ['a\"b', 'ü']\n[transports.carrier-pigeons.names]\n'first bird' = \"a\\nb\"\nx = 'y'";
    let first = file(toml).unwrap();
    let second = file(&first.to_toml()).unwrap();
    // What is a default is now set to the same.
    let named = |configuration: &Configuration| {
        configuration.settings.transports["carrier-pigeons"]["names"].clone()
    };
    assert_eq!(named(&first), json!({"first bird": "a\nb", "x": "y"}));
    assert_eq!(named(&first), named(&second));
    assert_eq!(first.settings.api, second.settings.api);
    assert_eq!(first.settings.engine, second.settings.engine);
    let stores = [&first, &second].map(|told| format!("{:?}", told.settings.store));
    assert_eq!(stores[0], stores[1]);
    let table = show::text(&json!({"env": "X", "n": [1]}));
    assert_eq!(table, "{ env = \"X\", n = [1] }");
    let json: Value = serde_json::from_str(&show::json(&first)).unwrap();
    assert_eq!(json["configuration"]["api"]["hosts"], json!(["a\"b", "ü"]));
    assert_eq!(json["configuration"]["engine"]["shards"], json!(0));
    let origin = json["origins"]["api.hosts"].as_str().unwrap();
    assert!(origin.ends_with(":2"), "{origin}");
}

#[test]
fn the_file_to_begin_with_sets_nothing_and_its_lines_are_the_defaults() {
    let template = show::template(&schema());
    let before = file(&template).unwrap();
    assert!(before.given.settings.is_empty());
    let is_setting = |line: &str| {
        line.starts_with('#') && line.chars().nth(1).is_some_and(|c| c.is_ascii_lowercase())
    };
    let uncommented: String = template
        .lines()
        .filter(|line| !line.ends_with(" ="))
        .map(|line| match is_setting(line) {
            true => format!("{}\n", &line[1..]),
            false => format!("{line}\n"),
        })
        .collect();
    let after = file(&uncommented).unwrap();
    assert!(after.given.settings.len() > 30);
    assert_eq!(show::json(&before).lines().next(), Some("{"));
    let values = |configuration: &Configuration| -> Value {
        serde_json::from_str::<Value>(&show::json(configuration)).unwrap()["configuration"].clone()
    };
    assert_eq!(values(&before), values(&after));
}

#[test]
fn secrets_are_masked_and_a_file_that_all_can_read_is_warned_of() {
    let mut found = NamedTempFile::new().unwrap();
    let toml =
        b"[transports.carrier-pigeons]\nwhistle = 'tweet'\nloft.key = 'cheese'\nloft.floor = 1\n";
    found.write_all(toml).unwrap();
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(found.path(), permissions).unwrap();
        let arguments = Arguments {
            config: Some(found.path().to_owned()),
            ..Arguments::default()
        };
        let configuration =
            Configuration::load_for(&plugins(), arguments, &Environment::default()).unwrap();
        assert_eq!(configuration.warnings.len(), warnings, "{mode:o}");
        for shown in [
            configuration.to_toml(),
            show::json(&configuration),
            configuration.warnings.join(""),
        ] {
            for secret in ["tweet", "cheese"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        let shown = configuration.to_toml();
        for line in ["whistle = \"***\"  #", "key = \"***\"  #", "floor = 1  #"] {
            assert!(shown.contains(line), "{shown}");
        }
        assert_eq!(
            configuration.settings.transports["carrier-pigeons"]["whistle"],
            "tweet"
        );
    }
    for wrong in [
        "[transports.carrier-pigeons]\nwhistle = ['tweet']",
        "[transports.carrier-pigeons]\nwhistle = 'tweet",
    ] {
        let error = file(wrong).unwrap_err().join("");
        assert!(!error.contains("tweet"), "{error}");
    }
}
