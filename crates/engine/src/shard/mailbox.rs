//! How does a shard hear of things?
//!
//! Through one queue and a flag. Posting never blocks; what can be posted is bounded by deliveries, connections
//! and subscriptions, each of which has a limit of its own. The flag is a level, not a count: however often the
//! tail moved, it is looked at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Mail;

/// The way to a shard. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ShardHandle {
    mailbox: Arc<Mailbox>,
}

#[derive(Default)]
pub(crate) struct Mailbox {
    queue: Mutex<Queue>,
    tail_moved: AtomicBool,
    notify: Notify,
}

#[derive(Default)]
struct Queue {
    mail: Vec<Mail>,
    /// The shard has ended: nobody reads any more.
    closed: bool,
}

/// All that came since the last time.
pub(super) struct Received {
    pub(super) mail: Vec<Mail>,
    pub(super) tail_moved: bool,
}

impl ShardHandle {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox }
    }

    /// Posts a mail. The order of posts is the order in which they are handled. A shard that has ended drops
    /// it, and whoever waits for an answer is told so.
    pub(crate) fn post(&self, mail: Mail) {
        let mut queue = self.queue();
        if !queue.closed {
            queue.mail.push(mail);
        }
        drop(queue);
        self.mailbox.notify.notify_one();
    }

    /// The tail of some namespace has moved.
    pub(crate) fn tail_moved(&self) {
        self.mailbox.tail_moved.store(true, Ordering::Release);
        self.mailbox.notify.notify_one();
    }

    pub(super) fn receive(&self) -> Received {
        Received {
            tail_moved: self.mailbox.tail_moved.swap(false, Ordering::AcqRel),
            mail: std::mem::take(&mut self.queue().mail),
        }
    }

    /// Whether [`receive`](Self::receive) would find something. What comes later ends [`notified`](Self::notified).
    pub(super) fn has_more(&self) -> bool {
        self.mailbox.tail_moved.load(Ordering::Acquire) || !self.queue().mail.is_empty()
    }

    /// The shard has ended.
    pub(super) fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        let rest = std::mem::take(&mut queue.mail);
        drop(queue);
        // Dropped without the lock: what it held may post.
        drop(rest);
    }

    /// Resolves when something was posted since the last time it resolved.
    pub(super) async fn notified(&self) {
        self.mailbox.notify.notified().await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.mailbox
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for ShardHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mailbox, &other.mailbox)
    }
}
