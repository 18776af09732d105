//! How does a shard hear of things?
//!
//! Through one queue and two flags. Posting never blocks; what can be posted is bounded by deliveries, connections
//! and subscriptions, each of which has a limit of its own. The flags are levels, not counts: however often the
//! tail moved, it is looked at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::Mail;

/// The way to a shard. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ShardHandle {
    mailbox: Arc<Mailbox>,
}

#[derive(Default)]
pub(crate) struct Mailbox {
    queue: Mutex<Vec<Mail>>,
    tail_moved: AtomicBool,
    page_loaded: AtomicBool,
    notify: Notify,
}

/// All that came since the last time.
pub(super) struct Received {
    pub(super) mail: Vec<Mail>,
    pub(super) tail_moved: bool,
    pub(super) page_loaded: bool,
}

impl ShardHandle {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox }
    }

    /// Posts a mail. The order of posts is the order in which they are handled.
    pub(crate) fn post(&self, mail: Mail) {
        self.mailbox
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(mail);
        self.mailbox.notify.notify_one();
    }

    /// The tail of some namespace has moved.
    pub(crate) fn tail_moved(&self) {
        self.mailbox.tail_moved.store(true, Ordering::Release);
        self.mailbox.notify.notify_one();
    }

    /// A page that the shard waits for is there, or has to be asked for again.
    pub(crate) fn page_loaded(&self) {
        self.mailbox.page_loaded.store(true, Ordering::Release);
        self.mailbox.notify.notify_one();
    }

    pub(super) fn receive(&self) -> Received {
        let mailbox = &self.mailbox;
        Received {
            tail_moved: mailbox.tail_moved.swap(false, Ordering::AcqRel),
            page_loaded: mailbox.page_loaded.swap(false, Ordering::AcqRel),
            mail: std::mem::take(
                &mut *mailbox.queue.lock().unwrap_or_else(PoisonError::into_inner),
            ),
        }
    }

    /// Resolves when something was posted since the last time it resolved.
    pub(super) async fn notified(&self) {
        self.mailbox.notify.notified().await;
    }
}
