//! Who gets what is relayed?

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::workload::FrameTemplate;

/// Most frames that wait for a socket.
pub(super) const QUEUE_MAX: usize = 100_000;

/// The sockets, by what they asked for.
pub(super) struct Relay {
    template: FrameTemplate,
    by_tag: Mutex<HashMap<Option<usize>, Vec<mpsc::Sender<String>>>>,
}

impl Relay {
    /// Nobody is there yet.
    pub(super) fn new(template: FrameTemplate) -> Self {
        Self {
            template,
            by_tag: Mutex::default(),
        }
    }

    /// From now on this socket gets what has this tag, or everything.
    pub(super) fn start(&self, tag: Option<usize>, socket: mpsc::Sender<String>) {
        self.lock().entry(tag).or_default().push(socket);
    }

    /// Pushes a frame to whom it concerns.
    pub(super) fn push(&self, sequence: u64, tag: usize) {
        let mut by_tag = self.lock();
        for key in [None, Some(tag)] {
            let Some(sockets) = by_tag.get_mut(&key) else {
                continue;
            };
            sockets.retain(|socket| {
                let mut frame = String::with_capacity(self.template.capacity());
                self.template.write(sequence, tag, &mut frame);
                match socket.try_send(frame) {
                    Ok(()) => true,
                    Err(mpsc::error::TrySendError::Closed(_)) => false,
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        eprintln!("a socket is {QUEUE_MAX} frames behind");
                        std::process::exit(1);
                    }
                }
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<usize>, Vec<mpsc::Sender<String>>>> {
        self.by_tag.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
