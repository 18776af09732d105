//! How is the link between a client and a broker cut?

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// A port that leads to another one of this machine, as long as the test wants. It works until its process ends.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    thawed: Condvar,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    is_frozen: bool,
    /// Both sides of every connection.
    open: Vec<TcpStream>,
}

const NOT_POISONED: &str = "no thread panics while it holds this";

impl Proxy {
    /// One that leads to this port.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let own = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        let all = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                all.connect(client, port);
            }
        });
        Self { port: own, shared }
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections, and every new one at once.
    pub fn cut(&self) {
        let mut state = self.shared.lock();
        state.is_cut = true;
        for side in state.open.drain(..) {
            let _ = side.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.shared.lock().is_cut = false;
    }

    /// Passes nothing on, and ends nothing.
    pub fn freeze(&self) {
        self.shared.lock().is_frozen = true;
    }

    /// Passes on again.
    pub fn thaw(&self) {
        self.shared.lock().is_frozen = false;
        self.shared.thawed.notify_all();
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream, port: u16) {
        let mut state = self.lock();
        if state.is_cut {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
            return;
        };
        let copies = [&client, &server, &client, &server].map(TcpStream::try_clone);
        let [Ok(to_client), Ok(to_server), Ok(one), Ok(other)] = copies else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        state.open.extend([one, other]);
        for (from, to) in [(client, to_server), (server, to_client)] {
            let shared = self.clone();
            std::thread::spawn(move || shared.pass(from, to));
        }
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let frozen = self
                .thawed
                .wait_while(self.lock(), |state| state.is_frozen && !state.is_cut);
            drop(frozen);
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NOT_POISONED)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}
