//! How does the protocol run over a connection?
//!
//! A [`Session`] moves bytes between a stream and the state machine of the protocol, and keeps its timers. Whoever has it
//! sends packets, and takes out those that came in. Its futures can be dropped at any time, and nothing is lost by that.

mod pubrecs;

use std::collections::VecDeque;
use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{ConnectionOptions, Event, TimerKind};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use mqtt_protocol_core::mqtt::{Connection, Version, role};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use self::pubrecs::Pubrecs;

/// How much is read at once, in bytes.
const READ_BYTES: usize = 64 << 10;
/// How much is written behind the last write before others wait, in bytes.
const OUT_BYTES_MAX: usize = 1 << 20;
/// How long the broker may take to answer a ping while nothing else is heard of it, and nothing can be written.
const PING_TIME: Duration = Duration::from_secs(10);

/// A stream of bytes, with TLS or without.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// The protocol on a connection.
pub(crate) struct Session {
    wire: Box<dyn Wire>,
    protocol: Connection<role::Client>,
    input: Box<[u8]>,
    output: Vec<u8>,
    /// How much of the output is written.
    done: usize,
    /// How much was ever put into the output, and how much of that was ever written.
    queued: u64,
    written: u64,
    timers: Vec<(TimerKind, Instant)>,
    sleep: Pin<Box<Sleep>>,
    inbox: VecDeque<Packet>,
    /// What comes in is read along.
    pubrecs: Pubrecs,
    /// Whether anything came in.
    has_heard: bool,
    /// When something was read or written last, and when something was written.
    moved: Instant,
    wrote: Instant,
    /// Whether what comes in is read now.
    reads: bool,
    /// Why it is over.
    over: Option<String>,
}

impl Session {
    /// The protocol of this version on a stream, before it began. The broker is held to these limits.
    pub(crate) fn new(
        wire: Box<dyn Wire>,
        version: Version,
        packet_bytes_max: u32,
        receive_max: u16,
    ) -> Self {
        let mut options = ConnectionOptions::new().maximum_packet_size_recv(packet_bytes_max);
        if version != Version::V3_1_1 {
            // An older broker is not told, and cannot be held to it.
            options = options.receive_maximum(receive_max);
        }
        let now = Instant::now();
        let mut protocol = Connection::with_options(version, options);
        protocol.set_pingresp_recv_timeout(PING_TIME.as_millis() as u64);
        Self {
            wire,
            protocol,
            input: vec![0; READ_BYTES].into(),
            output: Vec::new(),
            done: 0,
            queued: 0,
            written: 0,
            timers: Vec::new(),
            sleep: Box::pin(tokio::time::sleep_until(now)),
            inbox: VecDeque::new(),
            pubrecs: Pubrecs::default(),
            has_heard: false,
            moved: now,
            wrote: now,
            reads: true,
            over: None,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.protocol.get_protocol_version()
    }

    /// Whether the broker has said anything.
    pub(crate) fn has_heard(&self) -> bool {
        self.has_heard
    }

    /// Whether what comes in is answered here: else whoever takes it does.
    pub(crate) fn answers_itself(&mut self, answers: bool) {
        self.protocol.set_auto_pub_response(answers);
    }

    /// How many messages may be sent before one is acknowledged; `None` if the broker did not say.
    pub(crate) fn vacancy(&self) -> Option<u16> {
        self.protocol.get_receive_maximum_vacancy_for_send()
    }

    /// A number for a message.
    pub(crate) fn packet_id(&mut self) -> Option<u16> {
        self.protocol.acquire_packet_id().ok()
    }

    /// A number is not used after all.
    pub(crate) fn release(&mut self, id: u16) {
        let events = self.protocol.release_packet_id(id);
        self.absorb(events);
    }

    /// Whether so much waits to be written that nothing should be added.
    pub(crate) fn is_full(&self) -> bool {
        self.output.len() - self.done > OUT_BYTES_MAX
    }

    /// How far the output has got: what is sent now ends there.
    pub(crate) fn end(&self) -> u64 {
        self.queued
    }

    /// How far the kernel has taken it.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// When the kernel has taken something last.
    pub(crate) fn wrote(&self) -> Instant {
        self.wrote
    }

    /// Whether it is over: nothing can be sent any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Whether the PUBREC of this message has said that nobody has subscribed to it; asked once.
    pub(crate) fn has_no_subscribers(&mut self, id: u16) -> bool {
        self.pubrecs.take(id)
    }

    /// Sends a packet, or says why the protocol does not allow it.
    pub(crate) fn send(&mut self, packet: impl Into<Packet>) -> Result<(), MqttError> {
        let events = self.protocol.send(packet.into());
        let refused = events.iter().find_map(|event| match event {
            Event::NotifyError(error) => Some(*error),
            _ => None,
        });
        match refused {
            Some(error) => Err(error),
            None => {
                self.absorb(events);
                Ok(())
            }
        }
    }

    /// Ends it in order, as far as the other side listens.
    pub(crate) fn say_goodbye(&mut self) {
        let goodbye: Option<Packet> = match self.version() {
            Version::V3_1_1 => v3_1_1::Disconnect::builder().build().ok().map(Into::into),
            _ => v5_0::Disconnect::builder().build().ok().map(Into::into),
        };
        // Nothing depends on it.
        let _ = goodbye.map(|goodbye| self.send(goodbye));
    }

    /// The oldest packet that came in.
    pub(crate) fn take(&mut self) -> Option<Packet> {
        self.inbox.pop_front()
    }

    /// Takes out the first packet of which `wanted` makes something.
    pub(crate) fn find<T>(&mut self, mut wanted: impl FnMut(&Packet) -> Option<T>) -> Option<T> {
        let found = self.inbox.iter().enumerate();
        let (place, found) = found
            .filter_map(|(place, packet)| Some((place, wanted(packet)?)))
            .next()?;
        self.inbox.remove(place);
        Some(found)
    }

    /// As [`turn`](Self::turn), where the packets that are there were looked at and left: it waits for more.
    pub(crate) async fn turn_beyond(&mut self) -> Result<(), String> {
        let before = self.inbox.len();
        let aside = std::mem::take(&mut self.inbox);
        let turned = self.turn().await;
        let new = std::mem::replace(&mut self.inbox, aside);
        self.inbox.extend(new);
        match self.inbox.len() > before {
            true => Ok(()),
            false => turned,
        }
    }

    /// Waits until something was read or written, or a timer was due. The error says why it is over.
    pub(crate) async fn turn(&mut self) -> Result<(), String> {
        self.turn_if(true).await
    }

    /// The same, and nothing is read unless `reads`: what the broker sends waits there.
    pub(crate) async fn turn_if(&mut self, reads: bool) -> Result<(), String> {
        self.reads = reads;
        std::future::poll_fn(|context| self.poll_turn(context)).await
    }

    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Result<(), String>> {
        let mut has_turned = !self.inbox.is_empty();
        has_turned |= self.poll_write(context)?;
        has_turned |= self.poll_read(context)?;
        has_turned |= self.poll_timers(context);
        // What was read may have made something to be written.
        has_turned |= self.poll_write(context)?;
        if let Some(over) = &self.over {
            // What the broker said last comes first.
            return match self.inbox.is_empty() {
                true => Poll::Ready(Err(over.clone())),
                false => Poll::Ready(Ok(())),
            };
        }
        match has_turned {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Result<bool, String> {
        let mut has_written = false;
        while self.done < self.output.len() {
            let rest = &self.output[self.done..];
            match Pin::new(&mut self.wire).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => return Err("the broker takes nothing any more".into()),
                Poll::Ready(Ok(count)) => {
                    self.done += count;
                    self.written += count as u64;
                    self.wrote = Instant::now();
                    self.moved = self.wrote;
                    has_written = true;
                }
                Poll::Ready(Err(error)) => return Err(error.to_string()),
                Poll::Pending => break,
            }
        }
        if self.done == self.output.len() {
            self.output.clear();
            self.done = 0;
        } else if self.done > OUT_BYTES_MAX {
            self.output.drain(..self.done);
            self.done = 0;
        }
        match Pin::new(&mut self.wire).poll_flush(context) {
            Poll::Ready(Err(error)) => Err(error.to_string()),
            _ => Ok(has_written),
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Result<bool, String> {
        if self.over.is_some() || !self.reads {
            return Ok(false);
        }
        let mut input = std::mem::take(&mut self.input);
        let read = read(&mut self.wire, &mut input, context);
        let count = match read {
            Poll::Ready(Ok(count)) => count,
            Poll::Ready(Err(error)) => return Err(error.to_string()),
            Poll::Pending => {
                self.input = input;
                return Ok(false);
            }
        };
        if count == 0 {
            self.ends("the broker closed the connection");
        } else {
            self.has_heard = true;
            self.moved = Instant::now();
        }
        if self.version() != Version::V3_1_1 {
            self.pubrecs.read(&mut input[..count]);
        }
        let mut cursor = Cursor::new(&input[..count]);
        while cursor.position() < count as u64 && self.over.is_none() {
            let events = self.protocol.recv(&mut cursor);
            self.absorb(events);
        }
        self.input = input;
        Ok(true)
    }

    fn poll_timers(&mut self, context: &mut Context<'_>) -> bool {
        let mut was_due = false;
        while let Some((_, next)) = self.timers.iter().min_by_key(|(_, time)| *time).copied() {
            if self.sleep.deadline() != next {
                self.sleep.as_mut().reset(next);
            }
            if self.sleep.as_mut().poll(context).is_pending() {
                break;
            }
            was_due = true;
            let due = self.timers.iter().position(|(_, time)| *time <= next);
            let Some(due) = due else { break };
            let (kind, _) = self.timers.swap_remove(due);
            if kind == TimerKind::PingrespRecv {
                // Its answer may be behind what is not read yet, and the ping behind what is not written yet.
                let heard = if self.reads {
                    self.moved
                } else {
                    Instant::now()
                };
                if heard + PING_TIME > next {
                    self.timers.push((kind, heard + PING_TIME));
                    continue;
                }
                self.ends("the broker did not answer a ping");
            }
            let events = self.protocol.notify_timer_fired(kind);
            self.absorb(events);
        }
        was_due
    }

    fn absorb(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => {
                    let before = self.output.len();
                    for part in packet.to_buffers() {
                        self.output.extend_from_slice(&part);
                    }
                    self.queued += (self.output.len() - before) as u64;
                }
                Event::NotifyPacketReceived(packet) => self.inbox.push_back(packet),
                Event::NotifyPacketIdReleased(_) => {}
                Event::RequestTimerReset { kind, duration_ms } => {
                    self.timers.retain(|(known, _)| *known != kind);
                    let time = Instant::now() + Duration::from_millis(duration_ms);
                    self.timers.push((kind, time));
                }
                Event::RequestTimerCancel(kind) => self.timers.retain(|(known, _)| *known != kind),
                Event::NotifyError(error) => {
                    self.ends(format_args!("what the broker sends is not MQTT: {error}"));
                }
                Event::RequestClose => self.ends("the connection is closed"),
            }
        }
    }

    fn ends(&mut self, why: impl Display) {
        self.over.get_or_insert_with(|| why.to_string());
    }
}

fn read(
    wire: &mut Box<dyn Wire>,
    input: &mut [u8],
    context: &mut Context<'_>,
) -> Poll<std::io::Result<usize>> {
    let mut buffer = ReadBuf::new(input);
    ready!(Pin::new(wire).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
