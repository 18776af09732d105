//! Where do the bytes go that are on their way to sockets?
//!
//! Into buffers that sockets share: idle ones keep none, for they are many, and those that are busy need not ask for
//! memory and give it back with each wave.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What an idle connection keeps of a buffer.
const IDLE_BYTES_MAX: usize = 4 * 1024;
/// How large a buffer can be that is kept for the next.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// How many are kept.
const KEPT_MAX: usize = 4;

/// Empty buffers that have grown.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// Makes room in a buffer that is about to be filled: a larger one is put in its place if there is one and it is
    /// empty.
    pub(crate) fn take(&self, buffer: &mut Vec<u8>) {
        if buffer.is_empty()
            && buffer.capacity() <= IDLE_BYTES_MAX
            && let Some(larger) = self.lock().pop()
        {
            *buffer = larger;
        }
    }

    /// Takes the memory of an empty buffer that has grown.
    pub(crate) fn give(&self, buffer: &mut Vec<u8>) {
        if !buffer.is_empty() || buffer.capacity() <= IDLE_BYTES_MAX {
            return;
        }
        let buffer = std::mem::take(buffer);
        let mut kept = self.lock();
        if kept.len() < KEPT_MAX && buffer.capacity() <= KEPT_BYTES_MAX {
            kept.push(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_grown_is_used_again_and_bounded() {
        let buffers = Buffers::default();
        let mut small = Vec::with_capacity(10);
        buffers.give(&mut small);
        assert!(small.capacity() >= 10, "it keeps what is small");
        for _ in 0..2 * KEPT_MAX {
            buffers.give(&mut Vec::with_capacity(100_000));
            buffers.give(&mut Vec::with_capacity(KEPT_BYTES_MAX + 1));
        }
        assert_eq!(buffers.lock().len(), KEPT_MAX);
        let mut filled = b"text".to_vec();
        buffers.take(&mut filled);
        buffers.give(&mut filled);
        assert_eq!(filled, b"text");
        buffers.take(&mut small);
        assert!(small.is_empty() && small.capacity() >= 100_000);
        assert_eq!(buffers.lock().len(), KEPT_MAX - 1);
    }
}
