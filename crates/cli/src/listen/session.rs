//! What goes on between the first connection and the last event?
//!
//! ```text
//!   frame ─▶ values fetched, several at once, in order ─▶ printed and flushed ─▶ acknowledged
//! ```

use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};

use super::events::{Event, Frame, ack_batch, frame, retry_from};
use super::{exec, render, values};
use crate::client::{Client, hint};
use crate::failure::Failure;
use crate::notes::{note, warn};
use crate::out::Out;
use crate::shown::plain;
use crate::signals::Interrupt;
use crate::socket::{NoSocket, Socket};

/// Frames that were received and are not printed.
const PENDING_MAX: usize = 64;
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(10);
/// How long a rejected event may take to come again, before it is asked for with a new connection.
const AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// What is listened to.
pub(super) enum Start {
    Durable { name: String },
    Ephemeral { filter: Value, options: Value },
}

/// How it is listened.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) json: bool,
    pub(super) with_data: bool,
    pub(super) acks: bool,
    pub(super) count: Option<u64>,
    pub(super) exec: Option<String>,
}

/// One frame that is answered.
struct Unit {
    /// The id and the subscription of a batch.
    batch: Option<(String, Value)>,
    events: Vec<Event>,
    lines: Vec<String>,
}

type Fetched<'a> = Pin<Box<dyn Future<Output = Result<Unit, Failure>> + 'a>>;

/// How a connection ended.
enum Ended {
    /// All that was asked for has come.
    Enough,
    /// It was lost, and this is why.
    Lost(String),
}

/// How far it is, over all connections.
#[derive(Default)]
struct Place {
    events: u64,
    last: Option<i64>,
    /// A rejected event: nothing else counts until it comes again.
    awaited: Option<i64>,
}

impl Session {
    pub(super) async fn run(
        self,
        mut start: Start,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        let mut out = Out::new();
        let mut place = Place::default();
        let mut wait = RETRY_FIRST;
        let mut is_first = true;
        loop {
            let opened = tokio::select! {
                opened = Socket::open(&self.client) => opened,
                failure = interrupt.next() => return Err(failure),
            };
            let mut socket = match opened {
                Ok(socket) => socket,
                Err(NoSocket::NotNow(_)) if !is_first => {
                    interrupt.stops(pause(&mut wait)).await?;
                    continue;
                }
                Err(refused) => return Err(refused.failure()),
            };
            self.say(&start, is_first);
            (is_first, wait) = (false, RETRY_FIRST);
            let served = match socket.send(&[self.start(&start)]).await {
                Ok(()) => {
                    self.serve(&mut socket, &mut place, &mut out, interrupt)
                        .await
                }
                Err(reason) => Ok(Ended::Lost(reason)),
            };
            match served {
                Ok(Ended::Lost(reason)) => {
                    warn(&format!(
                        "connection lost ({}); trying again until it is back",
                        plain(&reason)
                    ));
                    place.awaited = None;
                    if let (Start::Ephemeral { options, .. }, Some(last)) = (&mut start, place.last)
                    {
                        options["firstEvent"] = last.to_string().into();
                    }
                    interrupt.stops(pause(&mut wait)).await?;
                }
                Ok(Ended::Enough) => {
                    socket.close().await;
                    return Ok(());
                }
                Err(failure) => {
                    socket.close().await;
                    return Err(failure);
                }
            }
        }
    }

    fn say(&self, start: &Start, is_first: bool) {
        let server = self.client.server();
        if !is_first {
            note(&format!("connected to {server} again"));
            return;
        }
        let what = match start {
            Start::Durable { name } => format!("'{}'", plain(name)),
            Start::Ephemeral { .. } => format!("'{}' for now", plain(self.client.namespace())),
        };
        note(&format!("listening to {what} at {server}; Ctrl-C ends it"));
    }

    fn start(&self, start: &Start) -> Value {
        let namespace = self.client.namespace();
        match start {
            Start::Durable { name } => {
                json!({"type": "start", "autoack": false, "namespace": namespace, "name": name})
            }
            Start::Ephemeral { filter, options } => json!({
                "type": "start", "autoack": false, "namespace": namespace, "ephemeral": true,
                "filter": filter, "options": options,
            }),
        }
    }

    /// Prints and acknowledges what comes over one connection.
    async fn serve(
        &self,
        socket: &mut Socket,
        place: &mut Place,
        out: &mut Out,
        interrupt: &mut Interrupt,
    ) -> Result<Ended, Failure> {
        let mut pending: FuturesOrdered<Fetched<'_>> = FuturesOrdered::new();
        loop {
            let again_within = match place.awaited {
                Some(_) => AGAIN_WITHIN,
                None => Duration::MAX,
            };
            tokio::select! {
                biased;
                failure = interrupt.next() => return Err(failure),
                Some(unit) = pending.next(), if !pending.is_empty() => {
                    let mut units = vec![unit];
                    // What a command has done is acknowledged before the next one begins.
                    while self.exec.is_none()
                        && !self.is_enough(place, &units)
                        && let Some(Some(unit)) = pending.next().now_or_never()
                    {
                        units.push(unit);
                    }
                    let done = tokio::select! {
                        biased;
                        done = socket.meanwhile(self.show(units, place, out)) => done?,
                        failure = interrupt.next() => return Err(failure),
                    };
                    let (answers, ended) = done;
                    if place.awaited.is_some() {
                        // They come again after it.
                        pending = FuturesOrdered::new();
                    }
                    if self.acks
                        && let Err(reason) = socket.send(&answers).await
                    {
                        return Ok(Ended::Lost(reason));
                    }
                    match ended {
                        None => {}
                        Some(ended) => return Ok(ended),
                    }
                }
                text = tokio::time::timeout(again_within, socket.next()), if pending.len() < PENDING_MAX => {
                    let Ok(mut text) = text else {
                        return Ok(Ended::Lost("a rejected event did not come again".to_owned()));
                    };
                    loop {
                        match text {
                            Err(reason) => return Ok(Ended::Lost(reason)),
                            Ok(text) => self.take(&text, place, &mut pending)?,
                        }
                        if pending.len() >= PENDING_MAX {
                            break;
                        }
                        match socket.next().now_or_never() {
                            None => break,
                            Some(more) => text = more,
                        }
                    }
                }
            }
        }
    }

    fn take<'a>(
        &'a self,
        text: &str,
        place: &mut Place,
        pending: &mut FuturesOrdered<Fetched<'a>>,
    ) -> Result<(), Failure> {
        let (batch, events) = match frame(text).map_err(Failure::Failed)? {
            Frame::Event(event) => (None, vec![*event]),
            Frame::Batch {
                id,
                subscription,
                events,
            } => (Some((id, subscription)), events),
            Frame::Error(error) => {
                let hint = hint(&error).map(|hint| format!(": {hint}"));
                return Err(Failure::Failed(format!(
                    "{error}{}",
                    hint.unwrap_or_default()
                )));
            }
            Frame::Other => return Ok(()),
        };
        if let Some(awaited) = place.awaited {
            // What was on its way when an event was rejected comes again after it.
            if events.first().is_none_or(|event| event.sequence != awaited) {
                return Ok(());
            }
            place.awaited = None;
        }
        pending.push_back(Box::pin(self.fetched(batch, events)));
        Ok(())
    }

    async fn fetched(
        &self,
        batch: Option<(String, Value)>,
        events: Vec<Event>,
    ) -> Result<Unit, Failure> {
        let mut lines = Vec::new();
        let paint = Out::new().paint();
        let is_json = self.json || self.exec.is_some();
        for event in &events {
            let values = match self.with_data {
                true => values::values(&self.client, event).await?,
                false => None,
            };
            lines.push(match (is_json, values) {
                (true, None) => event.json.clone(),
                (true, Some(values)) => event.with_values(&values),
                (false, values) => render::line(event, values.as_deref(), paint),
            });
        }
        Ok(Unit {
            batch,
            events,
            lines,
        })
    }

    /// Whether these are all that was asked for.
    fn is_enough(&self, place: &Place, units: &[Result<Unit, Failure>]) -> bool {
        let more: usize = units.iter().flatten().map(|unit| unit.events.len()).sum();
        self.count
            .is_some_and(|count| place.events + more as u64 >= count)
    }

    /// Prints, or runs the command for, all of them; the frames that answer them, and whether that is the end.
    async fn show(
        &self,
        units: Vec<Result<Unit, Failure>>,
        place: &mut Place,
        out: &mut Out,
    ) -> Result<(Vec<Value>, Option<Ended>), Failure> {
        let mut answers = Vec::new();
        let mut ended = None;
        for unit in units {
            let unit = match unit {
                Ok(unit) => unit,
                // Its values could not be fetched: it is not printed, and comes again.
                Err(Failure::Failed(reason)) => {
                    ended = Some(Ended::Lost(reason));
                    break;
                }
                Err(failure) => return Err(failure),
            };
            if let Some(command) = &self.exec {
                if place.awaited.is_some() {
                    continue;
                }
                if let Some(nack) = self.executed(command, &unit, place).await? {
                    answers.push(nack);
                    continue;
                }
            } else {
                for line in &unit.lines {
                    out.line(line).await?;
                }
            }
            place.events += unit.events.len() as u64;
            place.last = unit
                .events
                .last()
                .map(|event| event.sequence)
                .or(place.last);
            match &unit.batch {
                Some((id, subscription)) => answers.push(ack_batch(id, subscription)),
                None => answers.extend(unit.events.iter().map(Event::ack)),
            }
        }
        out.flush().await?;
        if self.count.is_some_and(|count| place.events >= count) {
            ended = Some(Ended::Enough);
        }
        Ok((answers, ended))
    }

    /// Runs the command for each event; the frame that has them delivered again from the one on that failed.
    async fn executed(
        &self,
        command: &str,
        unit: &Unit,
        place: &mut Place,
    ) -> Result<Option<Value>, Failure> {
        for (index, (event, line)) in unit.events.iter().zip(&unit.lines).enumerate() {
            let Err(reason) = exec::run(command, line).await? else {
                continue;
            };
            warn(&format!(
                "event {}: {reason}; it comes again",
                event.sequence
            ));
            place.awaited = Some(event.sequence);
            // Those before it are acknowledged.
            place.events += index as u64;
            return Ok(Some(match &unit.batch {
                Some((id, subscription)) => {
                    retry_from(id, subscription, &unit.events, index, &reason)
                }
                None => event.retry(&reason),
            }));
        }
        Ok(None)
    }
}

/// Waits, longer each time.
async fn pause(wait: &mut Duration) -> Result<(), Failure> {
    tokio::time::sleep(*wait).await;
    *wait = (*wait * 2).min(RETRY_LONGEST);
    Ok(())
}
