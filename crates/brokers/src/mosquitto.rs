//! How is Mosquitto started, stopped and told what to do?

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::Process;
use crate::{TlsFiles, free_port};

const PROGRAM: &str = "/usr/sbin/mosquitto";

/// Mosquitto on this machine, running or not.
pub struct Mosquitto {
    directory: TempDir,
    port: u16,
    tls_port: Option<u16>,
    server: Option<Process>,
}

/// How it is to run.
#[derive(Clone, Debug, Default)]
pub struct MosquittoOptions {
    lines: String,
    users: Vec<(String, String)>,
    acl: Option<String>,
    tls: Option<TlsFiles>,
}

impl MosquittoOptions {
    /// With one more line of the configuration.
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push_str(line);
        self.lines.push('\n');
        self
    }

    /// With this user, and nobody who is not named.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// With these lines of an access control list.
    pub fn acl(mut self, lines: &str) -> Self {
        self.acl = Some(lines.to_owned());
        self
    }

    /// With TLS on a port of its own.
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Starts it.
    pub fn start(self) -> Mosquitto {
        Mosquitto::with(self)
    }
}

impl Mosquitto {
    /// One that runs, and takes anybody.
    pub fn start() -> Self {
        MosquittoOptions::default().start()
    }

    fn with(options: MosquittoOptions) -> Self {
        let directory = TempDir::with_prefix("photinus-mosquitto-").expect("a directory");
        let (path, port) = (directory.path().to_owned(), free_port());
        // As root it would become another user, who cannot write to the directory.
        let mut conf = format!(
            "per_listener_settings false\nuser root\npersistence true\npersistence_location {}/\nautosave_on_changes true\nautosave_interval 1\nmax_queued_messages 100000\n{}",
            path.display(),
            options.lines,
        );
        let mut mosquitto = Self {
            port,
            tls_port: options.tls.as_ref().map(|_| free_port()),
            server: None,
            directory,
        };
        match options.users.is_empty() {
            true => conf.push_str("allow_anonymous true\n"),
            false => {
                let file = mosquitto.passwords();
                conf.push_str(&format!(
                    "allow_anonymous false\npassword_file {}\n",
                    file.display()
                ));
                fs::write(&file, "").expect("it is there");
                for (name, password) in &options.users {
                    mosquitto.write_password(name, password);
                }
            }
        }
        if let Some(acl) = &options.acl {
            let file = path.join("acl");
            fs::write(&file, acl).expect("it is there");
            conf.push_str(&format!("acl_file {}\n", file.display()));
        }
        conf.push_str(&format!("listener {port} 127.0.0.1\n"));
        if let (Some(files), Some(port)) = (&options.tls, mosquitto.tls_port) {
            conf.push_str(&format!(
                "listener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate {}\n",
                files.ca.display(),
                files.cert.display(),
                files.key.display(),
                files.client_certificate,
            ));
        }
        fs::write(path.join("mosquitto.conf"), conf).expect("it is there");
        mosquitto.start_again();
        mosquitto
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its port for TLS.
    pub fn tls_port(&self) -> u16 {
        self.tls_port.expect("it was started with TLS")
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Starts it with what it had, on the same port.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "it runs");
        let path = self.directory.path();
        let mut command = Command::new(PROGRAM);
        command.arg("-c").arg(path.join("mosquitto.conf"));
        let mut server = Process::start(&mut command, &path.join("server.log"), path);
        let port = self.port;
        server.wait_until_ready("Mosquitto", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        self.server = Some(server);
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.server.take().expect("it runs").kill();
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        self.server.take().expect("it runs").stop(Signal::TERM);
    }

    /// It does nothing from now on, and its connections stay.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Gives a user another password, also while it runs.
    pub fn set_password(&self, name: &str, password: &str) {
        self.write_password(name, password);
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        self.server.as_ref().expect("it runs").signal(signal);
    }

    fn passwords(&self) -> PathBuf {
        self.directory.path().join("passwords")
    }

    fn write_password(&self, name: &str, password: &str) {
        let status = Command::new("mosquitto_passwd")
            .arg("-b")
            .arg(self.passwords())
            .args([name, password])
            .status();
        let status = status.expect("mosquitto_passwd is there");
        assert!(status.success(), "mosquitto_passwd: {status}");
    }
}
