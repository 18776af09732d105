//! How does one request carry lines to the server while their answers come back?

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::time::Duration;

use futures_util::stream;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, Method, Response, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Queue, Sent};
use crate::client::Client;
use crate::failure::Failure;
use crate::out::Out;
use crate::publish::answers::{Answer, Answers};
use crate::publish::body::MessageInput;
use crate::publish::lines::{Line, Lines};
use crate::publish::report::Report;

/// Most lines and bytes of one request. They are kept until they are answered; and whoever stands in between and passes
/// a request on only when it is complete has its end.
const REQUEST_LINES_MAX: usize = 50_000;
const REQUEST_BYTES_MAX: usize = 32 << 20;
/// A request ends when the input has given nothing for so long, or after so long in all.
const INPUT_IDLE_MAX: Duration = Duration::from_secs(2);
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// So much is sent in one piece, if it is there.
const PIECE_BYTES: usize = 64 << 10;
/// So many pieces wait for the connection.
const PIECES_MAX: usize = 2;
/// The server could not take a line now.
const NOT_NOW: &str = "PH00503";

/// One request.
pub(super) struct Upload<'a> {
    pub(super) client: &'a Client,
    pub(super) input: &'a MessageInput,
    pub(super) json: bool,
    pub(super) keeps_lines: bool,
    pub(super) queue: &'a RefCell<Queue>,
    pub(super) report: &'a RefCell<Report>,
}

/// How it ended.
pub(super) enum Ended {
    /// The input has, too, and all is answered.
    AtEnd,
    /// All is answered, and there may be more.
    Full,
    /// Not all is answered.
    Lost(Lost),
}

/// Why answers are missing.
pub(super) struct Lost {
    pub(super) failure: Failure,
    /// The server has taken nothing of what is unanswered.
    pub(super) nothing_taken: bool,
    /// There was no connection.
    pub(super) no_connection: bool,
}

/// What one side of the request has to know of the other.
#[derive(Default)]
struct Sides {
    /// All lines are handed to the connection.
    is_sent: Cell<bool>,
    /// So many pieces are.
    pieces: Cell<u64>,
    /// Something was taken, or refused for good.
    heard: Cell<bool>,
    /// Why the server could not take a line now.
    not_now: Cell<Option<String>>,
}

type Pieces = mpsc::Sender<Vec<u8>>;

impl Upload<'_> {
    /// Sends lines and takes their answers. Also says whether the server answered anything.
    pub(super) async fn run(
        &self,
        first: Option<Line>,
        lines: &mut Lines,
        out: &mut Out,
    ) -> Result<(Ended, bool), Failure> {
        let first = match first {
            Some(line) => Some(line),
            None if self.queue.borrow().again.is_empty() => match lines.next().await? {
                Some(line) => Some(line),
                None => return Ok((Ended::AtEnd, false)),
            },
            None => None,
        };
        let sides = Sides::default();
        let (pieces, body) = mpsc::channel(PIECES_MAX);
        let body = stream::unfold(body, |mut body| async {
            let piece: Vec<u8> = body.recv().await?;
            Some((Ok::<_, Infallible>(piece), body))
        });
        let request = self
            .client
            .request(Method::POST, self.client.scoped(&["messages", "bulk"]))
            .header(CONTENT_TYPE, "application/x-ndjson")
            .body(Body::wrap_stream(body));
        let mut sending = std::pin::pin!(self.send(first, lines, pieces, &sides));
        let mut reading = std::pin::pin!(self.read(request, out, &sides));
        let (at_end, lost) = tokio::select! {
            // In this order, so that a line is in the queue before anything can go wrong.
            biased;
            at_end = &mut sending => {
                sides.is_sent.set(true);
                let lost = reading.await?;
                (at_end?, lost)
            }
            lost = &mut reading => (false, lost?),
        };
        let heard = sides.heard.get();
        let is_all_answered = self.queue.borrow().sent.is_empty();
        let not_now = sides.not_now.take();
        let ended = match lost {
            Some(lost) => Ended::Lost(lost),
            None if is_all_answered && let Some(error) = not_now => Ended::Lost(Lost {
                failure: Failure::Failed(error),
                nothing_taken: true,
                no_connection: false,
            }),
            None if !is_all_answered => Ended::Lost(Lost {
                failure: Failure::failed(format!(
                    "{} ended its answer early",
                    self.client.server()
                )),
                nothing_taken: false,
                no_connection: false,
            }),
            None if at_end && self.queue.borrow().again.is_empty() => Ended::AtEnd,
            None => Ended::Full,
        };
        Ok((ended, heard))
    }

    /// Hands lines to the connection until the request is full; says whether the input is at its end.
    async fn send(
        &self,
        mut first: Option<Line>,
        lines: &mut Lines,
        pieces: Pieces,
        sides: &Sides,
    ) -> Result<bool, Failure> {
        let until = Instant::now() + REQUEST_TIME_MAX;
        let (mut count, mut bytes) = (0, 0);
        let mut piece = Vec::new();
        let at_end = loop {
            let is_full = count >= REQUEST_LINES_MAX || bytes >= REQUEST_BYTES_MAX;
            let next = match (is_full, first.take()) {
                (true, _) => None,
                (false, Some(line)) => Some(self.taken(line, lines.bytes())),
                (false, None) => {
                    let again = self.queue.borrow_mut().again.pop_front();
                    again.or_else(|| lines.ready().map(|line| self.taken(line, lines.bytes())))
                }
            };
            if let Some(sent) = next {
                count += 1;
                bytes += sent.text.len();
                if sent.refused.is_none() {
                    piece.extend_from_slice(sent.text.as_bytes());
                    piece.push(b'\n');
                }
                self.queue.borrow_mut().sent.push_back(sent);
                if piece.len() < PIECE_BYTES {
                    continue;
                }
            }
            if !piece.is_empty() {
                sides.pieces.set(sides.pieces.get() + 1);
                // The connection is gone; whoever reads says why.
                if pieces.send(std::mem::take(&mut piece)).await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            if is_full {
                break false;
            }
            let idle_until = (Instant::now() + INPUT_IDLE_MAX).min(until);
            match timeout_at(idle_until, lines.next()).await {
                Err(_) => break false,
                Ok(Ok(None)) => break true,
                Ok(Ok(Some(line))) => first = Some(line),
                Ok(Err(failure)) => return Err(failure),
            }
        };
        Ok(at_end)
    }

    fn taken(&self, line: Line, end: u64) -> Sent {
        let number = line.number;
        let refused = |text, error| Sent {
            line: number,
            end,
            text: String::new(),
            original: text,
            is_keyed: true,
            refused: Some(error),
        };
        match line.text {
            Err(error) => refused(None, error),
            Ok(text) => match self.input.body(number, &text) {
                Err(error) => refused(Some(text), error),
                Ok(body) => Sent {
                    line: number,
                    end,
                    text: body.json,
                    original: self.keeps_lines.then_some(text),
                    is_keyed: body.is_keyed,
                    refused: None,
                },
            },
        }
    }

    /// Takes answers until there are no more; says why, if that is too early.
    async fn read(
        &self,
        request: reqwest::RequestBuilder,
        out: &mut Out,
        sides: &Sides,
    ) -> Result<Option<Lost>, Failure> {
        let response = self.patiently(sides, std::pin::pin!(request.send())).await;
        let mut response = match response {
            None => return Ok(Some(self.too_late())),
            Some(Ok(response)) => response,
            Some(Err(error)) => {
                return Ok(Some(Lost {
                    nothing_taken: error.is_connect(),
                    no_connection: error.is_connect(),
                    failure: self.client.failed(&error),
                }));
            }
        };
        if response.status() != StatusCode::OK {
            return self.refused(response).await;
        }
        let mut answers = Answers::default();
        let mut lost = None;
        loop {
            let piece = self
                .patiently(sides, std::pin::pin!(response.chunk()))
                .await;
            let piece = match piece {
                None => return Ok(Some(self.too_late())),
                Some(Ok(Some(piece))) => piece,
                Some(Ok(None)) => break,
                Some(Err(error)) => {
                    lost.get_or_insert(Lost {
                        nothing_taken: false,
                        no_connection: false,
                        failure: self.client.failed(&error),
                    });
                    break;
                }
            };
            let found = answers.push(&piece).map_err(|error| {
                Failure::failed(format!("the server's answer is not understood: {error}"))
            })?;
            for answer in found {
                match answer {
                    Answer::Ended(reason) => {
                        lost = Some(Lost {
                            failure: Failure::Failed(reason),
                            nothing_taken: true,
                            no_connection: false,
                        });
                    }
                    answer => self.answered(answer, sides, out).await?,
                }
            }
            out.flush().await?;
        }
        if sides.is_sent.get() && lost.is_none() {
            self.settle_refused(out).await?;
        }
        Ok(lost)
    }

    /// Another status than 200: nothing was taken, unless it is a proxy that does not know what became of it.
    async fn refused(&self, response: Response) -> Result<Option<Lost>, Failure> {
        let status = response.status();
        let answer = timeout(self.client.timeout(), self.client.read(response)).await;
        let failure = match answer {
            Err(_) => self.client.too_late(),
            Ok(Err(failure)) => failure,
            Ok(Ok(answer)) => Failure::Failed(answer.error()),
        };
        let nothing_taken = match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => true,
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => false,
            _ => return Err(failure),
        };
        Ok(Some(Lost {
            failure,
            nothing_taken,
            no_connection: false,
        }))
    }

    /// Waits as long as the server can be expected to have nothing to say, and the time of `--timeout` beyond that.
    async fn patiently<T>(
        &self,
        sides: &Sides,
        mut what: std::pin::Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        loop {
            let before = sides.pieces.get();
            if let Ok(done) = timeout(self.client.timeout(), &mut what).await {
                return Some(done);
            }
            // What was refused here waits for its turn, and not for the server.
            let is_owed = |sent: &Sent| sent.refused.is_none();
            let is_owed = self.queue.borrow().sent.iter().any(is_owed);
            if is_owed && (sides.is_sent.get() || sides.pieces.get() == before) {
                return None;
            }
        }
    }

    fn too_late(&self) -> Lost {
        Lost {
            failure: self.client.too_late(),
            nothing_taken: false,
            no_connection: false,
        }
    }

    /// The answer to the first line that waits for one.
    async fn answered(&self, answer: Answer, sides: &Sides, out: &mut Out) -> Result<(), Failure> {
        self.settle_refused(out).await?;
        let Some(sent) = self.queue.borrow_mut().sent.pop_front() else {
            return Err(Failure::failed(
                "the server answers lines that were not sent",
            ));
        };
        let end = sent.end;
        match answer {
            Answer::Published { id, sequence } => {
                sides.heard.set(true);
                self.report.borrow_mut().published += 1;
                if self.json {
                    let (line, id) = (sent.line, json!(id));
                    let text = format!("{{\"line\":{line},\"id\":{id},\"sequence\":{sequence}}}");
                    out.line(&text).await?;
                }
            }
            Answer::Refused(error) if error.starts_with(NOT_NOW) => {
                sides.not_now.set(Some(error));
                self.queue.borrow_mut().later.push_back(sent);
            }
            Answer::Refused(error) | Answer::Ended(error) => {
                sides.heard.set(true);
                self.refuse(&sent, &error, out).await?;
            }
        }
        self.report.borrow_mut().answered_up_to(end);
        self.settle_refused(out).await
    }

    /// Lines that were refused here, and whose turn it is.
    async fn settle_refused(&self, out: &mut Out) -> Result<(), Failure> {
        loop {
            let is_next = |sent: &mut Sent| sent.refused.is_some();
            let next = self.queue.borrow_mut().sent.pop_front_if(is_next);
            let Some(mut sent) = next else { return Ok(()) };
            if let Some(error) = sent.refused.take() {
                self.refuse(&sent, &error, out).await?;
            }
        }
    }

    async fn refuse(&self, sent: &Sent, error: &str, out: &mut Out) -> Result<(), Failure> {
        self.report
            .borrow_mut()
            .refuse(sent.line, error, sent.original.as_deref())?;
        if self.json {
            let (line, error) = (sent.line, json!(error));
            out.line(&format!("{{\"line\":{line},\"error\":{error}}}"))
                .await?;
        }
        Ok(())
    }
}
