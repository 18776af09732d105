//! What is committed next?
//!
//! What comes alone goes first, as long as each group has room for a lot: so nobody who publishes one message waits
//! behind an upload, and no upload waits for ever.

use tokio::sync::mpsc;

use super::Job;
use super::group::Group;

/// How many messages that come alone are taken before the next lot.
const ALONE_AT_ONCE: usize = 64;

/// Where what waits for its commit comes from.
pub(super) struct Lanes {
    alone: Lane,
    lots: Lane,
    /// The next lot, if the group has no room for it.
    held: Option<Job>,
    is_closed: bool,
}

struct Lane {
    jobs: mpsc::Receiver<Job>,
    has_ended: bool,
}

impl Lanes {
    pub(super) fn new(alone: mpsc::Receiver<Job>, lots: mpsc::Receiver<Job>) -> Self {
        let lane = |jobs| Lane {
            jobs,
            has_ended: false,
        };
        Self {
            alone: lane(alone),
            lots: lane(lots),
            held: None,
            is_closed: false,
        }
    }

    /// Takes nothing new from now on.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.alone.jobs.close();
        self.lots.jobs.close();
    }

    pub(super) fn are_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether all that ever queued was taken.
    pub(super) fn have_ended(&self) -> bool {
        self.alone.has_ended && self.lots.has_ended && self.held.is_none()
    }

    /// Takes what has queued, up to the limit of a group.
    pub(super) fn fill(&mut self, group: &mut Group) {
        while group.has_room() {
            if let Some(job) = self.held.take() {
                self.put(job, group);
            }
            let mut alone = 0;
            while alone < ALONE_AT_ONCE
                && group.has_room()
                && let Some(job) = self.alone.queued()
            {
                self.put(job, group);
                alone += 1;
            }
            if self.held.is_some() || !group.has_room() {
                return;
            }
            match self.lots.queued() {
                Some(job) => self.put(job, group),
                None if alone == 0 => return,
                None => {}
            }
        }
    }

    /// Waits for something that fits into the group, and takes it; or for the end of a lane.
    pub(super) async fn receive(&mut self, group: &mut Group) {
        // Else it is taken when the next group begins.
        let has_room = group.has_room();
        let may_take_lot = has_room && self.held.is_none();
        let job = tokio::select! {
            biased;
            job = self.alone.next(), if has_room && !self.alone.has_ended => job,
            job = self.lots.next(), if may_take_lot && !self.lots.has_ended => job,
            else => std::future::pending().await,
        };
        job.into_iter().for_each(|job| self.put(job, group));
    }

    fn put(&mut self, job: Job, group: &mut Group) {
        if group.has_room_for(job.drafts.len()) {
            group.seal(job);
        } else {
            debug_assert!(self.held.is_none(), "no lot is taken while one is held");
            self.held = Some(job);
        }
    }
}

impl Lane {
    /// What has queued, if anything has.
    fn queued(&mut self) -> Option<Job> {
        self.jobs.try_recv().ok()
    }

    async fn next(&mut self) -> Option<Job> {
        let next = self.jobs.recv().await;
        self.has_ended = next.is_none();
        next
    }
}
