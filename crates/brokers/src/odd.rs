//! How does a test get an MQTT broker that does what no sound one does?

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// CONNACK of MQTT 5: welcome.
const WELCOME: &[u8] = &[0x20, 3, 0, 0, 0];
/// The same of MQTT 3.1.1.
pub const WELCOME_3: &[u8] = &[0x20, 2, 0, 0];

/// A packet that came in.
#[derive(Clone, Debug)]
pub struct OddPacket {
    /// On which connection, counted from 0.
    pub connection: usize,
    /// Its first byte.
    pub head: u8,
    /// What is behind its length.
    pub body: Vec<u8>,
}

impl OddPacket {
    /// 1 for CONNECT, 3 for PUBLISH, and so on.
    pub fn kind(&self) -> u8 {
        self.head >> 4
    }

    /// Whether it contains this text.
    pub fn says(&self, text: &str) -> bool {
        let (body, text) = (&self.body, text.as_bytes());
        body.windows(text.len()).any(|part| part == text)
    }

    /// The number of a PUBLISH of QoS 1 or 2.
    pub fn number_of_publish(&self) -> Option<[u8; 2]> {
        (self.kind() == 3 && self.head & 0b110 != 0).then(|| self.number())
    }

    /// The number of a PUBLISH of QoS 1 or 2, or of what begins with a number.
    pub fn number(&self) -> [u8; 2] {
        let place = match self.kind() {
            3 => 2 + usize::from(u16::from_be_bytes([self.body[0], self.body[1]])),
            _ => 0,
        };
        [self.body[place], self.body[place + 1]]
    }
}

/// What the broker does about a packet: says this, or closes the connection.
pub type OddReaction = Option<Vec<u8>>;

/// A broker with a script. What the script does not answer is answered as a sound one would.
pub struct OddMqtt {
    port: u16,
    seen: Arc<Mutex<Vec<OddPacket>>>,
    is_over: Arc<AtomicBool>,
}

impl OddMqtt {
    /// `script` is asked about each packet; an empty answer leaves it to the usual one.
    pub fn start(script: impl Fn(&OddPacket) -> OddReaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (book, over, script) = (seen.clone(), is_over.clone(), Arc::new(script));
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                if over.load(Ordering::Acquire) {
                    return;
                }
                let (book, script) = (book.clone(), script.clone());
                // It ends with its connection.
                std::thread::spawn(move || serve(stream, connection, &book, &*script));
            }
        });
        Self {
            port,
            seen,
            is_over,
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// All that came in so far.
    pub fn seen(&self) -> Vec<OddPacket> {
        lock(&self.seen).clone()
    }
}

impl Drop for OddMqtt {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Whoever listens looks up.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(
    mut stream: TcpStream,
    connection: usize,
    seen: &Mutex<Vec<OddPacket>>,
    script: &dyn Fn(&OddPacket) -> OddReaction,
) -> Option<()> {
    loop {
        let packet = read(&mut stream, connection)?;
        lock(seen).push(packet.clone());
        let mut said = script(&packet)?;
        if said.is_empty() {
            said = usual(&packet);
        }
        stream.write_all(&said).ok()?;
    }
}

fn read(stream: &mut TcpStream, connection: usize) -> Option<OddPacket> {
    let mut byte = [0];
    stream.read_exact(&mut byte).ok()?;
    let head = byte[0];
    let (mut length, mut shift) = (0, 0);
    loop {
        stream.read_exact(&mut byte).ok()?;
        length |= usize::from(byte[0] & 0x7F) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(OddPacket {
        connection,
        head,
        body,
    })
}

/// What a sound broker of MQTT 5 says.
fn usual(packet: &OddPacket) -> Vec<u8> {
    let with_number = |kind: u8| {
        let [high, low] = packet.number();
        vec![kind, 2, high, low]
    };
    match (packet.kind(), packet.head & 0b110) {
        (1, _) => WELCOME.to_vec(),
        (3, 0b010) => with_number(0x40),
        (3, 0b100) => with_number(0x50),
        (6, _) => with_number(0x70),
        (8, _) => {
            let [high, low] = packet.number();
            vec![0x90, 4, high, low, 0, 1]
        }
        (12, _) => vec![0xD0, 0],
        _ => Vec::new(),
    }
}

fn lock(seen: &Mutex<Vec<OddPacket>>) -> MutexGuard<'_, Vec<OddPacket>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
