//! Where are the bytes of blobs kept?

use bytes::Bytes;
use photinus_contract::store::{BlobWriter, Blobs, StoreError, StoreErrorKind};
use photinus_contract::{BoxFuture, Data, DataId};

use crate::{Durable, MemoryStore};

impl Blobs for MemoryStore {
    fn begin_blob(
        &self,
        id: DataId,
    ) -> BoxFuture<'static, Result<Box<dyn BlobWriter>, StoreError>> {
        let checked = self.write(
            move |durable: &mut Durable| match id.index().is_some() || durable.has_data(id) {
                true => Err(refused(id, "is there already, or would be one of the log")),
                false => Ok(()),
            },
            Err,
        );
        let store = self.clone();
        Box::pin(async move {
            checked.await?;
            let bytes = Vec::new();
            Ok(Box::new(Writer { store, id, bytes }) as Box<dyn BlobWriter>)
        })
    }

    fn share_blob(&self, from: DataId, data: Data) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.write(
            move |durable: &mut Durable| match durable.blobs.get(&from).cloned() {
                Some(bytes) => durable.put_data(data, Some(bytes)).map(|()| true),
                None => Ok(false),
            },
            Err,
        )
    }

    fn read_blob(
        &self,
        id: DataId,
        offset: u64,
        length: usize,
    ) -> BoxFuture<'static, Result<Option<Bytes>, StoreError>> {
        self.read(|durable| {
            Ok(durable.blobs.get(&id).map(|bytes| {
                let start = usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                bytes.slice(start..bytes.len().min(start.saturating_add(length)))
            }))
        })
    }
}

/// What is written before it is finished is lost in a crash.
struct Writer {
    store: MemoryStore,
    id: DataId,
    bytes: Vec<u8>,
}

impl BlobWriter for Writer {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        self.bytes.extend_from_slice(&bytes);
        Box::pin(std::future::ready(Ok(())))
    }

    fn finish(self: Box<Self>, data: Data) -> BoxFuture<'static, Result<(), StoreError>> {
        let Self { store, id, bytes } = *self;
        store.write(
            move |durable: &mut Durable| match data.id == id {
                true => durable.put_data(data, Some(bytes.into())),
                false => Err(refused(id, "is finished with other data")),
            },
            Err,
        )
    }
}

fn refused(id: DataId, what: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Other,
        format!("the blob of data {id} {what}"),
    )
}
