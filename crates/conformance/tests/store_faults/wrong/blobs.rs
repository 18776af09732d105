//! How can blobs be wrong?

use bytes::Bytes;
use photinus_contract::store::{BlobWriter, Blobs, StoreError, StoredData};
use photinus_contract::{BoxFuture, Data, DataId};

use super::{Before, Fault, Wrong, now};

impl Blobs for Wrong {
    fn begin_blob(
        &self,
        id: DataId,
    ) -> BoxFuture<'static, Result<Box<dyn BlobWriter>, StoreError>> {
        self.inner.begin_blob(id)
    }

    fn share_blob(&self, from: DataId, data: Data) -> BoxFuture<'static, Result<bool, StoreError>> {
        if self.is(Fault::SharesBytesToTheEnd) {
            self.state().shared.push((from, data.clone()));
        }
        self.inner.share_blob(from, data)
    }

    fn read_blob(
        &self,
        id: DataId,
        offset: u64,
        length: usize,
    ) -> BoxFuture<'static, Result<Option<Bytes>, StoreError>> {
        let offset = match self.is(Fault::ReadsBlobsFromTheirBeginning) {
            true => 0,
            false => offset,
        };
        let read = now(self.inner.read_blob(id, offset, length));
        let lost = self.is_after(Before::Crash, Fault::LosesBlobsInACrash);
        let read = read.map(|read| read.filter(|_| !lost));
        let unfinished = match self.fault {
            Fault::ShowsUnfinishedBlobs => Some(Bytes::new()),
            _ => None,
        };
        Box::pin(async { read.map(|read| read.or(unfinished)) })
    }
}

impl Wrong {
    /// Deletes what a store with this fault deletes though it should not.
    pub(super) fn delete_sharers(&self, id: DataId) {
        let shared = std::mem::take(&mut self.state().shared);
        for (from, data) in shared {
            if from == id {
                let _ = now(self.inner.delete_data(&data.namespace, data.id));
            }
        }
    }
}
