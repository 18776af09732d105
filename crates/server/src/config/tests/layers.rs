//! Which layer counts?

use super::*;

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
