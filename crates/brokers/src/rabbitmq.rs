//! How is RabbitMQ started, stopped and told what to do?

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::patience::wait_until;
use crate::process::Process;
use crate::{TlsFiles, free_port};

/// The package's own scripts: those on the path change to another user first.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";
/// The first bytes of a client of AMQP 0-9-1.
const HELLO: &[u8] = b"AMQP\0\0\x09\x01";

/// RabbitMQ on this machine, running or not.
pub struct RabbitMq {
    directory: TempDir,
    port: u16,
    tls_port: Option<u16>,
    dist_port: u16,
    epmd_port: u16,
    /// Where nodes find each other; else each would start one that stays.
    _epmd: Process,
    server: Option<Process>,
}

/// How it is to run.
#[derive(Clone, Debug, Default)]
pub struct RabbitOptions {
    lines: String,
    tls: Option<TlsFiles>,
}

impl RabbitOptions {
    /// With one more line of `rabbitmq.conf`.
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push_str(line);
        self.lines.push('\n');
        self
    }

    /// With TLS on a port of its own.
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Starts it.
    pub fn start(self) -> RabbitMq {
        RabbitMq::with(self)
    }
}

impl RabbitMq {
    /// One that runs, with the user `guest` and the password `guest`.
    pub fn start() -> Self {
        RabbitOptions::default().start()
    }

    fn with(options: RabbitOptions) -> Self {
        let directory = TempDir::with_prefix("photinus-rabbitmq-").expect("a directory");
        let path = directory.path();
        let tls_port = options.tls.as_ref().map(|_| free_port());
        let mut conf = format!(
            "loopback_users = none\nlog.console = true\nlog.console.level = warning\n{}",
            options.lines
        );
        if let (Some(files), Some(port)) = (&options.tls, tls_port) {
            let verify = if files.client_certificate {
                "verify_peer"
            } else {
                "verify_none"
            };
            conf.push_str(&format!(
                "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\nssl_options.keyfile = {}\nssl_options.verify = {verify}\nssl_options.fail_if_no_peer_cert = {}\n",
                files.ca.display(),
                files.cert.display(),
                files.key.display(),
                files.client_certificate,
            ));
        }
        fs::write(path.join("rabbitmq.conf"), conf).expect("it is there");
        fs::write(path.join("enabled_plugins"), "[].\n").expect("it is there");
        let epmd_port = free_port();
        let epmd = Process::start(
            Command::new("epmd").args(["-address", "127.0.0.1", "-port", &epmd_port.to_string()]),
            &path.join("epmd.log"),
            path,
        );
        let mut rabbit = Self {
            port: free_port(),
            tls_port,
            dist_port: free_port(),
            epmd_port,
            _epmd: epmd,
            server: None,
            directory,
        };
        rabbit.start_again();
        rabbit
    }

    /// Its port for AMQP.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its port for AMQP over TLS.
    pub fn tls_port(&self) -> u16 {
        self.tls_port.expect("it was started with TLS")
    }

    /// Where it is, with the user and the password that it has from the start.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Starts it with what it had, on the same port.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "it runs");
        let path = self.directory.path();
        let mut command = self.command("rabbitmq-server");
        let mut server = Process::start(&mut command, &path.join("server.log"), path);
        let port = self.port;
        server.wait_until_ready("RabbitMQ", || answers(port));
        self.server = Some(server);
    }

    /// Kills it, as a crash of the machine's only broker would.
    pub fn kill(&mut self) {
        self.server.take().expect("it runs").kill();
        self.wait_until_gone();
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        self.ctl(&["stop"]);
        self.server.take().expect("it runs").stop(Signal::CONT);
        self.wait_until_gone();
    }

    /// The shell that started it is gone before it is.
    fn wait_until_gone(&self) {
        let is_gone = || TcpStream::connect(("127.0.0.1", self.port)).is_err();
        assert!(wait_until(is_gone), "RabbitMQ does not end");
    }

    /// It does nothing from now on, and its connections stay.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        self.server.as_ref().expect("it runs").signal(signal);
    }

    /// What `rabbitmqctl` prints.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let output = self.command("rabbitmqctl").args(arguments).output();
        let output = output.expect("rabbitmqctl is there");
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "rabbitmqctl {arguments:?}: {}{}",
            shown(&output.stdout),
            shown(&output.stderr)
        );
        shown(&output.stdout)
    }

    fn command(&self, script: &str) -> Command {
        let path = self.directory.path();
        let mut command = Command::new(Path::new(SCRIPTS).join(script));
        command
            .env("HOME", path)
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env(
                "RABBITMQ_NODENAME",
                format!("photinus{}@localhost", self.port),
            )
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", path.join("data"))
            .env("RABBITMQ_LOG_BASE", path.join("log"))
            .env("RABBITMQ_LOGS", "-")
            .env(
                "RABBITMQ_ENABLED_PLUGINS_FILE",
                path.join("enabled_plugins"),
            )
            .env("RABBITMQ_CONFIG_FILE", path.join("rabbitmq"))
            .env("RABBITMQ_PID_FILE", path.join("pid"))
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            // One scheduler, which sleeps when it has nothing to do: there may be several of these at once.
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
            );
        command
    }
}

/// Whether it takes clients: it greets them.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let limit = Some(Duration::from_secs(5));
    let greeted = stream
        .set_read_timeout(limit)
        .and_then(|()| stream.write_all(HELLO))
        .and_then(|()| {
            let mut first = [0];
            stream.read_exact(&mut first).map(|()| first[0])
        });
    matches!(greeted, Ok(1))
}
