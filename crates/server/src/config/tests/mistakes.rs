//! Is every mistake told with its place and with what would be right?

use super::*;

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
            "[spi]\nport = 5001",
            &["FILE:2:", "`port` in [spi]", "known:", "listen"],
        ),
        (
            "[spi]\nlisten = '127.0.0.1:5000'",
            &["FILE:2:", "[spi] listen", "[api] listen"],
        ),
        (
            "[spi]\nlisten = '127.0.0.1:6000'",
            &["FILE:2:", "[spi] listen", "[monitoring] listen"],
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
                "known: amqp091, carrier-pigeons, mqtt, system, webhooks, websockets",
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
    let toml = "[store.sqlite]\nsynchronus = 'normal'\nreaders = 0\n[engine]\nshards = -1\n[api]\norigins = ['a']\n\
        [transports.websockets]\nping_interval = '0s'";
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
            "FILE:7",
            "FILE:9",
            "PHOTINUS__DATUM",
            "PHOTINUS__LOG__LEVEL"
        ],
        "{errors:?}"
    );
    let toml = "[api]\nlisten = 'here'\nreads_max = 0";
    let variables = [
        ("PHOTINUS__API__LISTEN", "there"),
        ("PHOTINUS__API__READS_MAX", "1"),
    ];
    let arguments = Arguments {
        listen: Some("127.0.0.1:1".parse().unwrap()),
        ..Arguments::default()
    };
    let errors = told(toml, &variables, arguments).unwrap_err();
    assert_eq!(
        errors.len(),
        3,
        "what is covered is checked, too: {errors:?}"
    );
    let many: String = (0..1000).map(|n| format!("wrong{n} = 1\n")).collect();
    let errors = file(&many).unwrap_err();
    assert_eq!(errors.len(), MISTAKES_MAX + 1);
    assert!(errors[MISTAKES_MAX].starts_with("and "), "{errors:?}");
}
