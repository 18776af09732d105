//! How do many lines get to the server, and what is done when the connection is lost on the way?
//!
//! ```text
//!   lines ─▶ bodies ─▶ request ─▶ server        one request after the other, each with a bounded number of lines,
//!              │                    │           so that what is unanswered fits into memory
//!            Queue ◀─── answers ◀───┘
//! ```
//!
//! A line that was sent and not answered may be published or not. It is sent again only if it has an idempotency
//! key, or if it is known that the server did not take it.

mod upload;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::upload::{Ended, Lost, Upload};
use super::Many;
use super::body::MessageInput;
use super::lines::Lines;
use super::report::Report;
use crate::client::Client;
use crate::clock::now;
use crate::failure::Failure;
use crate::out::Out;
use crate::signals::Interrupt;

const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// A line on its way.
pub(super) struct Sent {
    line: u64,
    /// How much of the input there is up to its end.
    end: u64,
    /// The body.
    text: String,
    /// The line itself, if it is to be kept when it is refused.
    original: Option<String>,
    is_keyed: bool,
    /// It does not go to the server.
    refused: Option<String>,
}

/// Lines on their way.
#[derive(Default)]
pub(super) struct Queue {
    /// To be sent again, before anything else.
    again: VecDeque<Sent>,
    /// Sent, in order, and not answered.
    sent: VecDeque<Sent>,
    /// Could not be taken now, and can be sent again in a while.
    later: VecDeque<Sent>,
}

impl Queue {
    /// The lines of which it is not known what became of them.
    fn open(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter().chain(&self.later).chain(&self.again)
    }

    fn first_open(&self, lines: &Lines) -> u64 {
        let open = self.open().map(|sent| sent.line);
        open.min().unwrap_or(lines.number() + 1)
    }

    fn last_open(&self) -> Option<u64> {
        self.open().map(|sent| sent.line).max()
    }

    /// Whether something would perhaps be published twice if all of this were sent again.
    fn is_uncertain(&self, lost: &Lost) -> bool {
        let is_open = |sent: &Sent| !sent.is_keyed && sent.refused.is_none();
        (!lost.nothing_taken && self.sent.iter().any(is_open)) || self.later.iter().any(is_open)
    }

    /// Everything unanswered is to be sent again.
    fn rewind(&mut self) {
        for unanswered in [&mut self.sent, &mut self.later] {
            while let Some(sent) = unanswered.pop_back() {
                self.again.push_front(sent);
            }
        }
    }
}

/// Publishes lines.
pub(super) struct Bulk {
    client: Client,
    input: MessageInput,
    from_line: u64,
    errors: Option<PathBuf>,
    retry_for: Duration,
    json: bool,
}

impl Bulk {
    pub(super) fn new(client: Client, input: MessageInput, many: &Many, json: bool) -> Self {
        Self {
            client,
            input,
            from_line: many.from_line,
            errors: many.errors.clone(),
            retry_for: many.retry_for,
            json,
        }
    }

    pub(super) async fn run(self, file: &Path, interrupt: &mut Interrupt) -> Result<(), Failure> {
        let mut lines = Lines::open(file).await?;
        if let Some(errors) = &self.errors
            && is_same(file, errors)
        {
            return Err(Failure::usage(
                "--errors names the file of the lines, which would be lost: name another one",
            ));
        }
        let goes_on = self.from_line > 1;
        let report = Report::new(self.errors.as_deref(), goes_on, lines.length)?;
        let report = RefCell::new(report);
        let queue = RefCell::new(Queue::default());
        let mut out = Out::new();
        let ended = tokio::select! {
            ended = self.publish(&mut lines, &queue, &report, &mut out) => ended,
            failure = interrupt.next() => Err(failure),
        };
        let queue = queue.into_inner();
        let report = report.into_inner();
        let is_begun = report.answered() > 0 || queue.last_open().is_some();
        match ended {
            Ok(()) => report.end(None),
            Err(failure) if is_begun => {
                match &failure {
                    Failure::Failed(reason) => report.aside(&format!("photinus: {reason}")),
                    // Unlike one who only looks, this one has left something undone.
                    Failure::ReaderGone => report.aside("photinus: nobody reads standard output"),
                    _ => {}
                }
                let _ = report.end(Some(&how_to_go_on(&queue, &lines)));
                Err(match failure {
                    signal @ Failure::Signal(_) => signal,
                    _ => Failure::Said,
                })
            }
            Err(failure) => Err(failure),
        }
    }

    async fn publish(
        &self,
        lines: &mut Lines,
        queue: &RefCell<Queue>,
        report: &RefCell<Report>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let mut first = self.first_line(lines).await?;
        let mut failing_since = None;
        let mut wait = RETRY_FIRST;
        let mut was_there = false;
        loop {
            let (ended, heard) = Upload {
                client: &self.client,
                input: &self.input,
                json: self.json,
                keeps_lines: self.errors.is_some(),
                queue,
                report,
            }
            .run(first.take(), lines, out)
            .await?;
            out.flush().await?;
            if heard {
                failing_since = None;
                wait = RETRY_FIRST;
            }
            let lost = match ended {
                Ended::AtEnd => return Ok(()),
                Ended::Full => {
                    was_there = true;
                    continue;
                }
                Ended::Lost(lost) => lost,
            };
            let since = *failing_since.get_or_insert_with(now);
            was_there |= heard || !lost.no_connection;
            if !was_there || since.elapsed() >= self.retry_for {
                return Err(lost.failure);
            }
            if queue.borrow().is_uncertain(&lost) {
                return Err(lost.failure);
            }
            queue.borrow_mut().rewind();
            if wait == RETRY_FIRST {
                report.borrow().aside(&format!(
                    "{}; trying again for {:?}",
                    lost.reason(),
                    self.retry_for
                ));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_LONGEST);
        }
    }

    /// Leaves out what is before `--from-line`.
    async fn first_line(&self, lines: &mut Lines) -> Result<Option<super::lines::Line>, Failure> {
        if self.from_line <= 1 {
            return Ok(None);
        }
        while let Some(line) = lines.next().await? {
            if line.number >= self.from_line {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((file(one), file(other)), (Ok(one), Ok(other)) if one == other)
}

/// What is known, and from which line to go on.
fn how_to_go_on(queue: &Queue, lines: &Lines) -> String {
    let first = queue.first_open(lines);
    let Some(last) = queue.last_open() else {
        return format!(
            "lines up to {} are done; go on with --from-line {first}",
            first - 1
        );
    };
    let before = match first {
        0 | 1 => String::new(),
        first => format!("lines up to {} are done; ", first - 1),
    };
    let open = if first == last {
        format!("line {first}")
    } else {
        format!("lines {first} to {last}")
    };
    let is_safe = queue.open().all(|sent| sent.is_keyed);
    let twice = if is_safe {
        "nothing is published twice, because every line has an idempotency key"
    } else {
        "to have nothing published twice, give lines idempotency keys, or --idempotency-prefix from the beginning"
    };
    format!("{before}{open} may or may not be published; go on with --from-line {first} ({twice})")
}

impl Lost {
    fn reason(&self) -> String {
        match &self.failure {
            Failure::Failed(reason) => reason.clone(),
            _ => "the connection was lost".to_owned(),
        }
    }
}
