//! How are targets reached: which are not there yet, which want TLS, and whose credentials change?

use std::fs;

use photinus_brokers::{Mosquitto, MosquittoOptions, RabbitMq, RabbitOptions, TlsFiles, free_port};
use photinus_e2e::{DataDirectory, Launch, MqttApp, Rabbit, Server, run_to_end_as};
use serde_json::json;

use super::{Feed, mosquitto, publish, rabbit, start, target};
use crate::authority::Authority;

#[test]
fn a_target_that_is_not_there_is_no_error_and_says_so() {
    let mut mosquitto: Mosquitto = Mosquitto::start();
    mosquitto.stop();
    let lines = format!(
        "{}{}",
        target("mqtt", &mosquitto.url()),
        target(
            "amqp091",
            &format!("amqp://guest:hush@127.0.0.1:{}/%2f", free_port())
        )
    );
    let server = start(&lines);
    let rest = server.rest();
    let feed = Feed::new(&rest, "mqtt", "m", json!({"topic": "t"}));
    let never = Feed::new(&rest, "amqp091", "a", json!({"routingKey": "q"}));
    publish(&rest, "t", json!(1));
    for feed in [&feed, &never] {
        let reason = feed.wait_for_reason(&rest, "refused");
        assert!(
            reason.contains("127.0.0.1") && !reason.contains("hush"),
            "{reason}"
        );
    }
    mosquitto.start_again();
    feed.wait_for_offset(&rest, 1);
    let shown = rest.get("/api/v1/mqtt").expect(200);
    assert_eq!(shown["targets"]["main"]["state"], "connected");
    let shown = rest.get("/api/v1/amqp091").expect(200);
    assert_eq!(shown["targets"]["main"]["state"], "down");
    assert!(!shown.to_string().contains("hush") && !server.log().contains("hush"));

    let body =
        json!({"name": "x", "transport": "mqtt", "options": {"target": "other", "topic": "t"}});
    let error = rest.post("/api/v1/subscriptions", &body).error();
    assert!(
        error.contains("PH00447") && error.contains("main"),
        "{error}"
    );
}

#[test]
fn the_next_node_of_a_cluster_is_tried() {
    let lines = format!(
        "[transports.amqp091.targets.main]\nurls = [\"amqp://guest:guest@127.0.0.1:{}/%2f\", \"{}\"]\n",
        free_port(),
        rabbit().url()
    );
    let server = start(&lines);
    let rest = server.rest();
    Rabbit::at(&rabbit().url()).does("queue", json!({"name": "cluster"}));
    let feed = Feed::new(&rest, "amqp091", "c", json!({"routingKey": "cluster"}));
    publish(&rest, "t", json!(1));
    feed.wait_for_offset(&rest, 1);
}

#[test]
fn credentials_are_replaced_while_the_server_runs() {
    let rabbit = RabbitMq::start();
    rabbit.ctl(&["add_user", "app", "before"]);
    rabbit.ctl(&["set_permissions", "app", ".*", ".*", ".*"]);
    let mosquitto = MosquittoOptions::default().user("app", "before").start();
    let files = DataDirectory::new();
    let password = files.path().join("password");
    fs::write(&password, "before\n").unwrap();
    let lines = |transport: &str, url: &str| {
        format!(
            "{}password = {{ file = '{}' }}\n",
            target(transport, url),
            password.display()
        )
    };
    let server = start(&format!(
        "{}{}",
        lines(
            "amqp091",
            &format!("amqp://app@127.0.0.1:{}/%2f", rabbit.port())
        ),
        lines(
            "mqtt",
            &format!("mqtt://app@127.0.0.1:{}", mosquitto.port())
        ),
    ));
    let rest = server.rest();
    Rabbit::at(&rabbit.url()).does("queue", json!({"name": "rotated"}));
    let feeds = [
        Feed::new(&rest, "amqp091", "a", json!({"routingKey": "rotated"})),
        Feed::new(&rest, "mqtt", "m", json!({"topic": "t"})),
    ];
    publish(&rest, "t", json!(1));
    for feed in &feeds {
        feed.wait_for_offset(&rest, 1);
    }
    rabbit.ctl(&["change_password", "app", "after"]);
    rabbit.ctl(&["close_all_connections", "rotated"]);
    let mut mosquitto = mosquitto;
    mosquitto.set_password("app", "after");
    mosquitto.stop();
    mosquitto.start_again();
    publish(&rest, "t", json!(2));
    feeds[0].wait_for_reason(&rest, "403");
    feeds[1].wait_for_reason(&rest, "NotAuthorized");
    fs::write(&password, "after\n").unwrap();
    for feed in &feeds {
        feed.wait_for_offset(&rest, 2);
    }
}

#[test]
fn tls_is_verified_and_a_certificate_shown() {
    let (authority, other) = (Authority::new("own"), Authority::new("other"));
    let [cert, key] = authority.write_named_pair("broker", &authority.issue(&["127.0.0.1"]));
    let [own_cert, own_key] = authority.write_named_pair("own", &authority.issue(&["photinus"]));
    let tls = TlsFiles {
        ca: authority.file(),
        cert,
        key,
        client_certificate: true,
    };
    let rabbit = RabbitOptions::default().tls(tls.clone()).start();
    let mosquitto = MosquittoOptions::default().tls(tls).start();
    let urls = [
        (
            "amqp091",
            format!("amqps://guest:guest@127.0.0.1:{}/%2f", rabbit.tls_port()),
        ),
        (
            "mqtt",
            format!("mqtts://127.0.0.1:{}", mosquitto.tls_port()),
        ),
    ];
    let lines = |ca: &Authority, shows: bool| {
        let lines = urls.iter().map(|(transport, url)| {
            let mut lines = format!(
                "{}tls.ca = '{}'\n",
                target(transport, url),
                ca.file().display()
            );
            if shows {
                lines += &format!(
                    "tls.cert = '{}'\ntls.key = '{}'\n",
                    own_cert.display(),
                    own_key.display()
                );
            }
            lines
        });
        lines.collect::<String>()
    };
    Rabbit::at(&rabbit.url()).does("queue", json!({"name": "tls"}));
    let feeds = |server: &Server| {
        let rest = server.rest();
        publish(&rest, "t", json!(1));
        [
            Feed::new(&rest, "amqp091", "a", json!({"routingKey": "tls"})),
            Feed::new(&rest, "mqtt", "m", json!({"topic": "t"})),
        ]
    };
    let server = start(&lines(&authority, true));
    for feed in feeds(&server) {
        feed.wait_for_offset(&server.rest(), 1);
    }
    let server = start(&lines(&other, true));
    for feed in feeds(&server) {
        feed.wait_for_reason(&server.rest(), "UnknownIssuer");
    }
    let server = start(&lines(&authority, false));
    for feed in feeds(&server) {
        feed.wait_for_reason(&server.rest(), "127.0.0.1");
        feed.assert_unsettled(&server.rest());
    }
}

#[test]
fn passwords_are_not_shown() {
    let lines = "[transports.amqp091.targets.main]\nurl = \"amqp://app:hush1@broker:5672/%2f\"\n\
        [transports.amqp091.targets.second]\nurl = \"amqp://app@broker:5672/%2f\"\npassword = \"hush2\"\n\
        [transports.mqtt.targets.plant]\nurls = [\"mqtts://app:hush3@one\", \"mqtts://two\"]\npassword = { env = \"PLANT\" }\n";
    let files = DataDirectory::new();
    let file = files.path().join("photinus.toml");
    fs::write(&file, lines).unwrap();
    let file = file.display().to_string();
    let ended = run_to_end_as(&Launch::default(), &["config", "show", "--config", &file]);
    let shown = ended.stdout;
    for shows in [
        "app:***@broker",
        "password = \"***\"",
        "app:***@one",
        "mqtts://two",
    ] {
        assert!(shown.contains(shows), "{shows}: {shown}");
    }
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn an_older_mqtt_is_spoken_where_that_is_asked_for() {
    let lines = format!(
        "{}protocol = \"3.1.1\"\n",
        target("mqtt", &mosquitto().url())
    );
    let server = start(&lines);
    let rest = server.rest();
    let app = MqttApp::subscribed(mosquitto().port(), "older/#", json!({"version": 4}));
    let options = json!({"topic": "older/{topic}", "qos": 2, "content": "cloudevents-binary"});
    let feed = Feed::new(&rest, "mqtt", "older", options);
    publish(&rest, "t", json!({"a": 1}));
    let message = app.next();
    assert_eq!(message["topic"], "older/t");
    let event: serde_json::Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&event["data"], &event["specversion"]),
        (&json!({"a": 1}), &json!("1.0"))
    );
    feed.wait_for_offset(&rest, 1);
    let asks = Feed::new(
        &rest,
        "mqtt",
        "asks",
        json!({"topic": "older/x", "ack": "application"}),
    );
    asks.wait_for_reason(&rest, "needs MQTT 5");
}
