//! How many bytes may a list hold?

use photinus_contract::{CodedError, Data};

/// What is left of the bytes that one list may hold.
#[derive(Clone, Copy, Debug)]
pub struct ListBudget {
    bytes: usize,
}

impl ListBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes }
    }

    /// Counts a value. `PH00414` if there is no room for it.
    pub fn take(&mut self, value: &Data) -> Result<(), CodedError> {
        self.take_bytes(value.value.get().len())
    }

    pub(crate) fn take_bytes(&mut self, bytes: usize) -> Result<(), CodedError> {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or_else(|| {
            CodedError::bad_request(
                "PH00414",
                "The list would hold more bytes than the server gives at once: ask for fewer with 'limit'",
            )
        })?;
        Ok(())
    }

    /// Takes back what was counted.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.bytes += bytes;
    }
}
