//! Do brokers start, stop and vanish as they are told?

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use photinus_brokers::{Mosquitto, MosquittoOptions, Proxy, RabbitMq};

/// CONNECT of MQTT 3.1.1 from `t`, and what a broker says to that: the return code.
fn greeting(port: u16) -> std::io::Result<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01t")?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    assert_eq!(answer[0], 0x20, "a CONNACK");
    Ok(answer[3])
}

fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn wait_until_closed(port: u16) {
    for _ in 0..600 {
        if !is_open(port) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("something still listens on port {port}");
}

#[test]
fn rabbitmq_keeps_what_it_has_over_a_crash_and_is_gone_in_the_end() {
    let mut rabbit = RabbitMq::start();
    let port = rabbit.port();
    rabbit.ctl(&["add_user", "somebody", "secret"]);
    rabbit.kill();
    assert!(!is_open(port));
    rabbit.start_again();
    assert!(rabbit.ctl(&["list_users"]).contains("somebody"));
    rabbit.stop();
    assert!(!is_open(port));
    rabbit.start_again();
    drop(rabbit);
    wait_until_closed(port);
}

#[test]
fn mosquitto_takes_whom_it_knows_over_a_crash_and_is_gone_in_the_end() {
    let mut open = Mosquitto::start();
    assert_eq!(greeting(open.port()).unwrap(), 0);
    open.kill();
    assert!(!is_open(open.port()));
    open.start_again();
    assert_eq!(greeting(open.port()).unwrap(), 0);
    open.stop();
    assert!(!is_open(open.port()));

    let closed = MosquittoOptions::default().user("u", "p").start();
    let refused = greeting(closed.port()).unwrap();
    assert_ne!(refused, 0);
    let port = closed.port();
    drop(closed);
    wait_until_closed(port);
}

/// Tells this program to leave a broker behind.
const LEAVE: &str = "PHOTINUS_LEAVE_A_BROKER";

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "no configuration: it tells the process that is to leave something behind"
)]
fn what_a_process_leaves_behind_is_ended() {
    if std::env::var_os(LEAVE).is_some() {
        let mosquitto = Mosquitto::start();
        println!("left {} behind", mosquitto.port());
        // Nothing is dropped.
        std::process::exit(0);
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "what_a_process_leaves_behind_is_ended",
        ])
        .env(LEAVE, "1")
        .output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    let (_, port) = said.split_once("left ").expect(&said);
    let (port, _) = port.split_once(' ').unwrap();
    wait_until_closed(port.parse().unwrap());
}

#[test]
fn a_proxy_passes_until_it_is_cut() {
    let mosquitto = Mosquitto::start();
    let proxy = Proxy::to(mosquitto.port());
    assert_eq!(greeting(proxy.port()).unwrap(), 0);
    proxy.cut();
    assert!(greeting(proxy.port()).is_err());
    proxy.mend();
    assert_eq!(greeting(proxy.port()).unwrap(), 0);
}
