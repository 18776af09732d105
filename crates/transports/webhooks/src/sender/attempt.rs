//! How is an event sent once?

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use photinus_contract::{Outcome, Report, Response};
use tokio::time::{Instant, timeout};
use tracing::error;

use super::job::Job;
use super::not_attempted;
use crate::answer::Answer;
use crate::clock;
use crate::hub::Hub;
use crate::options::ConfirmationMode;
use crate::receiver::Word;
use crate::request::{Composer, Prepared};
use crate::route::Route;
use crate::stations::{Probe, Station};
use crate::verdict::{Decision, NoAnswer, judge};

/// What became of events that were sent, and what that says about their receiver: it hears that when this is dropped.
pub(super) struct Attempted {
    pub(super) response: Response,
    pub(super) heard: Option<Heard>,
}

impl Attempted {
    fn without_receiver(response: Response) -> Self {
        Self {
            response,
            heard: None,
        }
    }
}

/// Sends events and says what became of them. Where it is enough that they were sent, `told` is called then, and what
/// comes back afterwards is late.
pub(super) async fn attempt(hub: &Hub, job: Job, told: impl FnOnce()) -> Attempted {
    let (subscription, delivery) = (job.route.subscription.id, job.delivery);
    let attempted = AssertUnwindSafe(attempt_once(hub, job, told)).catch_unwind();
    attempted.await.unwrap_or_else(|_| {
        // What there is to say was said by the panic.
        error!(%subscription, "sending a webhook panicked");
        let outcome = Outcome::retry("the transport panicked");
        Attempted::without_receiver(Response::new(subscription, delivery, outcome))
    })
}

async fn attempt_once(hub: &Hub, mut job: Job, told: impl FnOnce()) -> Attempted {
    let route = job.route.clone();
    let answer_with = |outcome| Response::new(route.subscription.id, job.delivery, outcome);
    let mut probe = job.probe.take();
    let Some(_permit) = route.station.begin(probe.is_some()).await else {
        return Attempted::without_receiver(answer_with(not_attempted()));
    };
    let begun = Instant::now();
    let composer = Composer {
        subscription: &route.subscription,
        settings: &route.settings,
        now: clock::now(),
        is_test: false,
    };
    let mut txtype = None;
    let mut heard = Heard::new(route.station.clone(), begun, probe.take());
    let result = match job.events.request(&composer) {
        Ok(None) => {
            let response = answer_with(Outcome::ack());
            return Attempted {
                response,
                heard: Some(heard),
            };
        }
        Err(reason) => Err(NoAnswer::NotSent(reason)),
        Ok(Some(prepared)) => {
            txtype = prepared.reply_txtype.clone();
            let kept = Kept::of(&route, hub, KEPT_BYTES);
            exchange(&route, prepared, kept, told).await
        }
    };
    let judged = judge(&route.settings, job.events.attempt(), &result, clock::now());
    heard.word = judged.word;
    let mut response = answer_with(Outcome::ack());
    match judged.decision {
        Decision::Settle(outcome) => response.outcome = outcome,
        Decision::Reply(value) => {
            let txtype = txtype.as_deref();
            job.events
                .replied(&route.settings, txtype, &value, &mut response);
        }
    }
    Attempted {
        response: response.with_report(report(&result, begun)),
        heard: Some(heard),
    }
}

/// How much of an answer is kept where nobody asked for it, in bytes: what an operator sees of it, packed.
const KEPT_BYTES: usize = 16 << 10;

/// How much of an answer is kept, and read.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    bytes: usize,
    bytes_max: usize,
}

impl Kept {
    /// All that is read, for a reply; else so much.
    pub(crate) fn of(route: &Route, hub: &Hub, bytes: usize) -> Self {
        let bytes_max = hub.response_bytes_max();
        let is_replied = route.settings.reply.is_some();
        Self {
            bytes: if is_replied { bytes_max } else { bytes },
            bytes_max,
        }
    }
}

/// Sends a request and reads the answer, within the time there is.
pub(crate) async fn exchange(
    route: &Route,
    prepared: Prepared,
    kept: Kept,
    told: impl FnOnce(),
) -> Result<Answer, NoAnswer> {
    let limit = route.settings.request_timeout;
    let exchanged = async {
        let request = prepared.request;
        let response = match route.settings.mode {
            ConfirmationMode::Fastack => route.client.send_and_tell(request, told).await,
            _ => route.client.send(request).await,
        };
        let response = response.map_err(|error| error.0)?;
        Answer::read(response, kept.bytes, kept.bytes_max).await
    };
    match timeout(limit, exchanged).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(reason)) => Err(NoAnswer::Failed(reason)),
        Err(_) => Err(NoAnswer::Failed(format!("no answer within {limit:?}"))),
    }
}

/// For the attempt log.
fn report(result: &Result<Answer, NoAnswer>, begun: Instant) -> Report {
    let duration = begun.elapsed();
    match result {
        Ok(answer) => answer.report(duration),
        Err(NoAnswer::NotSent(reason) | NoAnswer::Failed(reason)) => {
            let mut report = Report::default();
            report.duration = Some(duration);
            report.excerpt = Some(reason.clone());
            report
        }
    }
}

/// Tells the receiver's station what an attempt says, also one that is given up.
pub(super) struct Heard {
    station: Arc<Station>,
    begun: Instant,
    probe: Option<Probe>,
    word: Word,
}

impl Heard {
    fn new(station: Arc<Station>, begun: Instant, probe: Option<Probe>) -> Self {
        Self {
            station,
            begun,
            probe,
            word: Word::Nothing,
        }
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.station.hear(&self.word, self.begun, self.probe.take());
    }
}
