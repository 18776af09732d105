//! Who receives the webhooks of a test, and misbehaves as it is told?
//!
//! A script says how each request is answered. It runs on the thread of the request's connection, so it may wait for
//! what the test does next, and holds up nobody else.

mod reaction;
mod request;

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub use self::reaction::Reaction;
pub use self::request::Request;
use crate::server::free_port;
use crate::waiting::{wait_for, wait_until};

type Script = dyn Fn(&Request) -> Reaction + Send + Sync;

/// A server that takes requests. It ends, with all its connections, when this goes out of scope.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
    /// How many requests `receive` has given.
    given: usize,
}

struct Shared {
    script: Mutex<Arc<Script>>,
    tls: Option<Arc<ServerConfig>>,
    book: Mutex<Book>,
    /// How many connections were ever taken.
    connections: AtomicUsize,
}

#[derive(Default)]
struct Book {
    is_stopped: bool,
    requests: Vec<Request>,
    /// The topics of what was answered with a status of 2xx, to the end, in order.
    well: Vec<String>,
    open: HashMap<usize, TcpStream>,
}

impl Receiver {
    /// One on this machine that answers 204 to everything, until it is told otherwise.
    #[track_caller]
    pub fn start() -> Self {
        Self::made("127.0.0.1", free_port(), None)
    }

    /// The same, at this address of this machine.
    #[track_caller]
    pub fn start_at(address: &str, port: u16) -> Self {
        Self::made(address, port, None)
    }

    /// The same, which speaks TLS.
    #[track_caller]
    pub fn start_tls(config: ServerConfig) -> Self {
        Self::made("127.0.0.1", free_port(), Some(Arc::new(config)))
    }

    #[track_caller]
    fn made(address: &str, port: u16, tls: Option<Arc<ServerConfig>>) -> Self {
        let ip: IpAddr = address.parse().expect("an address");
        let always = |_: &Request| Reaction::status(204);
        let mut receiver = Self {
            address: (ip, port).into(),
            shared: Arc::new(Shared {
                script: Mutex::new(Arc::new(always)),
                tls,
                book: Mutex::default(),
                connections: AtomicUsize::new(0),
            }),
            listening: None,
            given: 0,
        };
        receiver.start_again();
        receiver
    }

    /// How requests are answered from now on.
    pub fn answers(&self, script: impl Fn(&Request) -> Reaction + Send + Sync + 'static) {
        *self.shared.script.lock().expect(NOT_POISONED) = Arc::new(script);
    }

    /// The URL of a path here, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        let scheme = match self.shared.tls {
            Some(_) => "https",
            None => "http",
        };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections, and refuses new ones.
    pub fn stop(&mut self) {
        let Some(listening) = self.listening.take() else {
            return;
        };
        self.shared.book().is_stopped = true;
        // It waits for a connection.
        drop(TcpStream::connect(self.address));
        let _ = listening.join();
        for (_, stream) in self.shared.book().open.drain() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Listens again where it did.
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(self.listening.is_none(), "it listens already");
        let listener = wait_for("the port to be free", || {
            TcpListener::bind(self.address).ok()
        });
        self.shared.book().is_stopped = false;
        let shared = self.shared.clone();
        self.listening = Some(std::thread::spawn(move || shared.listen(&listener)));
    }

    /// The next request, in the order in which they came in; waits for it.
    #[track_caller]
    pub fn receive(&mut self) -> Request {
        let number = self.given;
        let request = wait_for("a request", || {
            self.shared.book().requests.get(number).cloned()
        });
        self.given += 1;
        request
    }

    /// All requests, in the order in which they came in.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.book().requests.clone()
    }

    /// How many requests there were.
    pub fn count(&self) -> usize {
        self.shared.book().requests.len()
    }

    /// How many connections were ever taken.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The topics of the events that were answered with a status of 2xx, to the end, in that order.
    pub fn well(&self) -> Vec<String> {
        self.shared.book().well.clone()
    }

    /// Waits until so many were answered well, and returns their topics.
    #[track_caller]
    pub fn wait_for_well(&self, count: usize) -> Vec<String> {
        wait_until(&format!("{count} events to be received well"), || {
            self.shared.book().well.len() >= count
        });
        self.well()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect(NOT_POISONED)
    }

    fn listen(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let Ok(kept) = stream.try_clone() else {
                continue;
            };
            let number = {
                let mut book = self.book();
                if book.is_stopped {
                    return;
                }
                let number = self.connections.fetch_add(1, Ordering::SeqCst);
                book.open.insert(number, kept);
                number
            };
            let shared = self.clone();
            std::thread::spawn(move || {
                shared.serve(stream, number);
                // The last of its clones: it is closed.
                shared.book().open.remove(&number);
            });
        }
    }

    fn serve(&self, stream: TcpStream, number: usize) {
        let _ = stream.set_nodelay(true);
        let Ok(raw) = stream.try_clone() else { return };
        let stream: Box<dyn ReadWrite> = match &self.tls {
            None => Box::new(stream),
            Some(config) => match ServerConnection::new(config.clone()) {
                Ok(connection) => Box::new(StreamOwned::new(connection, stream)),
                Err(_) => return,
            },
        };
        let mut stream = BufReader::new(stream);
        while let Ok(request) = Request::read(&mut stream, number) {
            self.book().requests.push(request.clone());
            let script = self.script.lock().expect(NOT_POISONED).clone();
            let reaction = script(&request);
            reaction.wait();
            let begun = {
                // Nothing else is noted until this begins to be written, and it cannot be cut off before.
                let mut book = self.book();
                let is_cut_off = !book.open.contains_key(&number);
                if reaction.is_well() && !is_cut_off {
                    book.well.push(request.topic());
                }
                !is_cut_off && reaction.begin(stream.get_mut())
            };
            if !begun || !reaction.end(stream.get_mut(), &raw) {
                break;
            }
        }
    }
}

trait ReadWrite: Read + Write {}

impl<S: Read + Write> ReadWrite for S {}

const NOT_POISONED: &str = "no thread panics while it holds this";
