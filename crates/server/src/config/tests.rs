//! Do the layers come together as they should, and is every mistake told with its place?

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use photinus_contract::{BoxFuture, Callbacks, Transport};
use serde_json::json;
use tempfile::NamedTempFile;

use super::*;

/// A transport with a secret, a section within its section, and keys that only its operator names.
struct Pigeons;

impl TransportPlugin for Pigeons {
    fn name(&self) -> &'static str {
        "carrier-pigeons"
    }

    fn config_schema(&self) -> Value {
        json!({
            "type": "object", "additionalProperties": false, "description": "Birds.",
            "properties": {
                "flock_max": {"type": "integer", "minimum": 1, "default": 12, "description": "How many there are."},
                "whistle": {"type": "string", "writeOnly": true, "default": null, "description": "What they come to."},
                "loft": {"$ref": "#/$defs/Loft"},
                "names": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Their names."},
            },
            "$defs": {"Loft": {
                "type": "object", "additionalProperties": false, "description": "Where they live.",
                "properties": {
                    "key": {"type": "string", "writeOnly": true, "default": null, "description": "It is locked."},
                    "floor": {"type": "integer", "default": 3, "description": "How high."},
                },
            }},
        })
    }

    fn check_config(&self, config: &Value) -> Result<(), String> {
        match &config["loft"]["floor"] {
            Value::Number(floor) if floor.as_i64() == Some(13) => {
                Err("loft.floor: there is no floor 13".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn init(
        &self,
        _config: Value,
        _callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        Box::pin(std::future::ready(Err("they are asleep".to_owned())))
    }
}

fn plugins() -> Vec<Box<dyn TransportPlugin>> {
    let mut plugins = registry::transports().plugins;
    plugins.push(Box::new(Pigeons));
    plugins
}

/// A configuration of a file, variables and flags; mistakes with `FILE` for the file's name.
fn told(
    toml: &str,
    variables: &[(&str, &str)],
    arguments: Arguments,
) -> Result<Configuration, Vec<String>> {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    let name = file.path().display().to_string();
    let arguments = Arguments {
        config: Some(file.path().to_owned()),
        ..arguments
    };
    let variables = variables.iter().map(|(k, v)| (k.into(), v.into()));
    let environment = Environment::new(variables);
    Configuration::load_for(&plugins(), arguments, &environment).map_err(|mistakes| {
        let lines = mistakes.to_string();
        lines
            .lines()
            .map(|line| line.replace(&name, "FILE"))
            .collect()
    })
}

fn file(toml: &str) -> Result<Configuration, Vec<String>> {
    told(toml, &[], Arguments::default())
}

#[test]
fn nothing_has_to_be_said() {
    let Ok(configuration) = file("") else {
        panic!("the defaults are refused");
    };
    let settings = configuration.settings;
    assert_eq!(settings.data, PathBuf::from("photinus-data"));
    assert_eq!(settings.api, ApiConfig::default());
    assert_eq!(settings.monitoring, MonitoringConfig::default());
    assert_eq!(settings.transports.len(), plugins().len());
}

#[test]
fn what_the_schema_calls_default_is_what_is_in_force() {
    let schema = schema();
    let mut defaults = Map::new();
    for (path, node) in schema.root().keys() {
        assert!(
            node.own_keyword("default").is_some(),
            "{} has no default in the schema",
            key_name(&path)
        );
        if let Some(default) = node.default() {
            put(&mut defaults, &path, default.clone());
        }
    }
    let transports = defaults.remove("transports").unwrap();
    let said: File = serde_json::from_value(Value::Object(defaults)).unwrap();
    assert_eq!(format!("{said:?}"), format!("{:?}", File::default()));
    for plugin in registry::transports().plugins {
        plugin.check_config(&transports[plugin.name()]).unwrap();
    }
}

#[test]
fn what_is_nearer_to_the_start_counts_key_by_key() {
    let toml = "data = 'a'\n[api]\nlisten = '127.0.0.1:1'\norigins = ['*']\nreads_max = 7\n\
        [log]\nlevel = 'warn'\nformat = 'json'\n[transports.carrier-pigeons]\nflock_max = 2\nloft.floor = 1";
    let variables = [
        ("PHOTINUS__API__LISTEN", "127.0.0.1:2"),
        ("PHOTINUS__API__READS_MAX", "8"),
        (
            "PHOTINUS__API__ORIGINS",
            "https://a.example,https://b.example",
        ),
        ("PHOTINUS__LOG__LEVEL", "error"),
        ("photinus__transports__carrier_pigeons__loft__floor", "2"),
        ("PHOTINUS__STORE__SQLITE__SYNCHRONOUS", "normal"),
        ("PHOTINUS_CONFIG", "/nowhere"),
        ("PHOTINUS_URL", "of a client"),
    ];
    let arguments = Arguments {
        listen: Some("127.0.0.1:3".parse().unwrap()),
        log_level: Some("debug".parse().unwrap()),
        ..Arguments::default()
    };
    let configuration = told(toml, &variables, arguments).unwrap();
    let settings = &configuration.settings;
    assert_eq!(settings.data, PathBuf::from("a"));
    assert_eq!(settings.api.listen, "127.0.0.1:3".parse().unwrap());
    assert_eq!(
        settings.api.origins,
        ["https://a.example", "https://b.example"]
    );
    assert_eq!(settings.api.reads_max, 8);
    assert_eq!(settings.log.level, "debug".parse().unwrap());
    assert_eq!(settings.log.format, crate::logging::Format::Json);
    assert_eq!(
        settings.transports["carrier-pigeons"],
        json!({"flock_max": 2, "loft": {"floor": 2}})
    );
    assert_eq!(settings.transports["websockets"], json!({}));

    let shown = configuration.to_toml();
    let name = configuration.file.as_ref().unwrap().display().to_string();
    for line in [
        "data = \"a\"  # FILE:1",
        "listen = \"127.0.0.1:3\"  # --listen",
        "reads_max = 8  # PHOTINUS__API__READS_MAX",
        "level = \"debug\"  # --log-level",
        "format = \"json\"  # FILE:8",
        "flock_max = 2  # FILE:10",
        "floor = 2  # photinus__transports__carrier_pigeons__loft__floor",
        "synchronous = \"normal\"  # PHOTINUS__STORE__SQLITE__SYNCHRONOUS",
        "readers = 2",
        "# ping_interval is not set",
    ] {
        let line = line.replace("FILE", &name);
        let is_there = shown.lines().any(|shown| shown == line);
        assert!(is_there, "{line} is not in:\n{shown}");
    }
}

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
fn an_error_says_where_and_what_would_be_right() {
    for (text, words) in [
        (
            "[apis]",
            &["FILE:1:", "unknown section [apis]", "`[api]`"][..],
        ),
        (
            "\n[api]\nport = 5",
            &[
                "FILE:3:",
                "unknown key `port` in [api]",
                "known:",
                "origins",
            ],
        ),
        (
            "listen = '127.0.0.1:1'",
            &["FILE:1:", "`listen`", "did you mean `[api] listen`"],
        ),
        ("date = 'x'", &["FILE:1:", "unknown key `date`", "`data`"]),
        (
            "[api]\nlisten = 'localhost:5000'",
            &[
                "FILE:2:",
                "[api] listen",
                "socket address",
                "127.0.0.1:5000",
                "localhost",
            ],
        ),
        (
            "[api]\nlisten = 5000",
            &[
                "FILE:2:",
                "[api] listen",
                "an IP address and a port such as \"127.0.0.1:5000\"",
                "got 5000",
            ],
        ),
        ("api = 5", &["FILE:1:", "api:", "a section", "got 5"]),
        (
            "[api]\n\nbody_bytes_max = 0",
            &["FILE:3:", "[api] body_bytes_max", "of at least 1", "got 0"],
        ),
        (
            "[api]\norigins = ['a.example']",
            &["FILE:2:", "[api] origins", "'a.example'", "https://"],
        ),
        (
            "[api]\norigins = '*'",
            &["FILE:2:", "[api] origins", "a list"],
        ),
        (
            "[api]\nrequest_timeout = 'soon'",
            &["FILE:2:", "[api] request_timeout", "'1m30s'"],
        ),
        (
            "[api]\nrequest_timeout = '0s'",
            &["FILE:2:", "[api] request_timeout", "at least 1ms"],
        ),
        ("data = ''", &["FILE:1:", "data", "a path"]),
        (
            "data = 2026-01-01",
            &["FILE:1:", "data", "no date", "quotes"],
        ),
        (
            "[monitoring]\nlisten = '127.0.0.1:5000'",
            &["FILE:2:", "[monitoring] listen", "[api] listen"],
        ),
        (
            "[api]\nlisten = '0.0.0.0:6000'",
            &["FILE:2:", "[monitoring] listen", "[api] listen"],
        ),
        (
            "[engine]\nshard = 5",
            &["FILE:2:", "`shard` in [engine]", "`shards`"],
        ),
        (
            "[engine]\nshards = 1_000_000_000",
            &["FILE:2:", "[engine] shards", "from 0 to"],
        ),
        (
            "[engine]\nshards = 1\nmessage_bytes_max = 20_000_000",
            &["FILE:3:", "[engine] list_bytes_max", "message_bytes_max"],
        ),
        (
            "[engine]\nshards = 99999999999999999999",
            &["FILE:2:", "too large"],
        ),
        (
            "[store.sqlite]\nsync = true",
            &["FILE:2:", "`sync` in [store.sqlite]", "`synchronous`"],
        ),
        (
            "store.sqlite.synchronous = 'norml'",
            &["FILE:1:", "\"full\", \"normal\"", "did you mean \"normal\""],
        ),
        ("[store.mysql]", &["FILE:1:", "no store `mysql`", "sqlite"]),
        (
            "\n[transports.osprey]",
            &[
                "FILE:2:",
                "no transport `osprey`",
                "known: carrier-pigeons, system, websockets",
            ],
        ),
        (
            "[transports.websocket]",
            &[
                "FILE:1:",
                "no transport `websocket`",
                "`[transports.websockets]`",
            ],
        ),
        (
            "[transports.websockets]\nfeathers = 2",
            &[
                "FILE:2:",
                "`feathers` in [transports.websockets]",
                "known:",
                "starts_max",
            ],
        ),
        (
            "[transports.websockets]\nstart_max = 2",
            &["FILE:2:", "`start_max`", "`starts_max`"],
        ),
        (
            "[transports.websockets]\nstarts_max = 0",
            &[
                "FILE:2:",
                "[transports.websockets] starts_max",
                "at least 1",
            ],
        ),
        (
            "[transports.websockets]\n\nping_interval = '0s'",
            &[
                "FILE:3:",
                "[transports.websockets] ping_interval",
                "at least 10ms",
            ],
        ),
        (
            "[transports.carrier-pigeons]\nloft = { floor = 13 }",
            &[
                "FILE:2:",
                "[transports.carrier-pigeons] loft.floor",
                "no floor 13",
            ],
        ),
        (
            "[transports.carrier-pigeons.loft]\nflor = 1",
            &[
                "FILE:2:",
                "`flor` in [transports.carrier-pigeons.loft]",
                "`floor`",
            ],
        ),
        (
            "[log]\nlevel = 'loud'",
            &["FILE:2:", "[log] level", "'loud'", "debug"],
        ),
        ("\n[api", &["FILE:2:", "column 5"]),
        ("a = 1\na = 2", &["FILE:2:", "duplicate key"]),
        ("\"a\\nb\" = 1", &["FILE:1:", "unknown key `a\\nb`"]),
    ] {
        let errors = file(text).unwrap_err();
        let [error] = &errors[..] else {
            panic!("{text:?}: {errors:?}");
        };
        for word in words {
            assert!(
                error.contains(word),
                "{text:?}: {word:?} is not in: {error}"
            );
        }
    }
}

#[test]
fn all_mistakes_of_all_layers_are_told_at_once_in_order() {
    let toml = "[store.sqlite]\nsynchronus = 'normal'\nreaders = 0\n[api]\nbody_bytes_max = -1";
    let variables = [("PHOTINUS__LOG__LEVEL", "loud"), ("PHOTINUS__DATUM", "d")];
    let errors = told(toml, &variables, Arguments::default()).unwrap_err();
    let places: Vec<&str> = errors
        .iter()
        .filter_map(|error| error.split(": ").next())
        .collect();
    assert_eq!(
        places,
        [
            "FILE:2",
            "FILE:3",
            "FILE:5",
            "PHOTINUS__DATUM",
            "PHOTINUS__LOG__LEVEL"
        ],
        "{errors:?}"
    );
    let many: String = (0..1000).map(|n| format!("wrong{n} = 1\n")).collect();
    let errors = file(&many).unwrap_err();
    assert_eq!(errors.len(), MISTAKES_MAX + 1);
    assert!(errors[MISTAKES_MAX].starts_with("and "), "{errors:?}");
}

#[test]
fn a_file_that_is_named_has_to_be_there() {
    for (arguments, environment) in [
        (Some("/nowhere/a.toml"), None),
        (None, Some("/nowhere/a.toml")),
        (Some("/nowhere/a.toml"), Some("/dev/null")),
    ] {
        let arguments = Arguments {
            config: arguments.map(PathBuf::from),
            ..Arguments::default()
        };
        let variables = environment.map(|path| ("PHOTINUS_CONFIG".into(), path.into()));
        let error = Configuration::load(arguments, &Environment::new(variables)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("/nowhere/a.toml: cannot read"),
            "{error}"
        );
    }
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

/// Each bound of the schema is one: a step beyond is refused, by the section's own check, too, where it has one.
#[test]
fn the_ranges_of_the_schema_are_those_of_the_code() {
    let schema = schema();
    let mut bounds = 0;
    for (path, node) in schema.root().keys() {
        for (keyword, step) in [("minimum", -1), ("maximum", 1)] {
            let Some(bound) = node.own_keyword(keyword).and_then(Value::as_i64) else {
                continue;
            };
            bounds += 1;
            let try_it = |number: i64| {
                let text = number.to_string();
                let name = environment::variable(&path);
                // Where one key bounds another, the other gives way.
                let other = match path.last().map(String::as_str) {
                    Some("list_bytes_max") => ("PHOTINUS__ENGINE__MESSAGE_BYTES_MAX", "1025"),
                    _ => ("PHOTINUS__ENGINE__LIST_BYTES_MAX", "1_000_000_000"),
                };
                let variables = [(name.as_str(), text.as_str()), other];
                told("", &variables, Arguments::default())
            };
            assert!(try_it(bound).is_ok(), "{} = {bound}", key_name(&path));
            assert!(try_it(bound + step).is_err(), "{}", key_name(&path));
            let [transports, name, keys @ ..] = &path[..] else {
                continue;
            };
            let mut section = Map::new();
            put(&mut section, keys, json!(bound + step));
            for plugin in registry::transports().plugins {
                if transports == "transports" && plugin.name() == name {
                    let checked = plugin.check_config(&Value::Object(section.clone()));
                    assert!(checked.is_err(), "{} = {}", key_name(&path), bound + step);
                }
            }
        }
    }
    assert!(bounds > 30, "{bounds}");
}

#[test]
fn the_schema_is_one_that_an_editor_can_use() {
    let schema: Value = serde_json::from_str(&schema().to_json()).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (right, toml) in [
        (true, ""),
        (
            true,
            "data = 'd'\n[api]\nlisten = '[::1]:0'\n[transports.websockets]\nping_interval = '30s'",
        ),
        (false, "date = 'd'"),
        (false, "[api]\nlistn = '[::1]:0'"),
        (false, "[api]\nreads_max = 0"),
        (false, "[engine]\nshards = 257"),
        (false, "[transports.websocket]"),
        (false, "[transports.websockets]\nfeathers = 1"),
        (false, "[store.sqlite]\nsynchronous = 'off'"),
    ] {
        let value: Value = toml::from_str(toml).unwrap();
        assert_eq!(validator.is_valid(&value), right, "{toml}");
    }
    let sections = schema["properties"].as_object().unwrap();
    assert_eq!(sections["api"]["title"], "[api]");
    assert!(schema["title"].is_string() && schema["$schema"].is_string());
}

#[test]
fn every_setting_is_described() {
    for (path, node) in schema().root().keys() {
        assert!(!node.description().is_empty(), "{}", key_name(&path));
    }
}
