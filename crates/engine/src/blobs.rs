//! How does a file become a blob, and how is it read?
//!
//! It is hashed on its way to the store, and never whole in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use photinus_contract::data::{Blob, Hash};
use photinus_contract::store::BlobWriter;
use photinus_contract::{CodedError, Data, DataId};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::core::Core;
use crate::handle::Handle;
use crate::publish::{DataText, unavailable};
use crate::stored::Checked;

/// How many bytes are given to the store at once.
const PIECE_BYTES: usize = 256 << 10;

/// A file on its way in. Dropping it takes it back.
pub struct BlobUpload {
    core: Arc<Core>,
    checked: Checked,
    id: DataId,
    writer: Box<dyn BlobWriter>,
    hash: Sha256,
    size: u64,
    /// What waits until it is worth a write.
    gathered: BytesMut,
}

impl Handle {
    /// Begins a blob, with what is to be stored besides it: the value is its metadata, and may be absent. Checked as
    /// by [`store_data`](Self::store_data), before a byte of the file is read.
    pub async fn begin_blob(
        &self,
        namespace: &str,
        input: &DataText<'_>,
    ) -> Result<BlobUpload, CodedError> {
        let core = self.core().clone();
        core.check_open()?;
        let checked = Checked::new(&core, namespace, input).await?;
        let id = checked.new_id(&core);
        let writer = core.store.begin_blob(id).await.map_err(unavailable)?;
        Ok(BlobUpload {
            core,
            checked,
            id,
            writer,
            hash: Sha256::new(),
            size: 0,
            gathered: BytesMut::new(),
        })
    }

    /// Reads at most `length` bytes of a blob. `None` if it is not there any more.
    pub async fn read_blob(
        &self,
        id: DataId,
        offset: u64,
        length: usize,
    ) -> Result<Option<Bytes>, CodedError> {
        let read = self.core().store.read_blob(id, offset, length).await;
        read.map_err(unavailable)
    }

    /// The paths of blobs strictly below a folder, each once, in the order of their bytes, at most `limit` of them.
    pub async fn blob_paths(
        &self,
        namespace: &str,
        folder: &str,
        limit: usize,
    ) -> Result<Vec<String>, CodedError> {
        let core = self.core();
        let namespace = core.namespaces.get(namespace)?.info.name.clone();
        let folder = folder.strip_prefix('/').unwrap_or(folder);
        let prefix = match folder {
            "" => "/".to_owned(),
            folder => format!("/{folder}/"),
        };
        let paths = core.store.blob_paths(&namespace, &prefix, None, limit);
        paths.await.map_err(unavailable)
    }
}

impl BlobUpload {
    /// How many bytes it has so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends bytes. After an error it cannot be finished.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), CodedError> {
        self.size += bytes.len() as u64;
        self.gathered.extend_from_slice(bytes);
        match self.gathered.len() >= PIECE_BYTES {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Stores it, with the data that names it: resolves when both are durable. Dropping the future does not take it
    /// back.
    pub async fn finish(mut self) -> Result<Data, CodedError> {
        self.flush().await?;
        let Self {
            core,
            checked,
            id,
            writer,
            hash,
            size,
            ..
        } = self;
        let hash = Hash(hash.finalize().into());
        let data = checked.with_blob(&core, id, hash, size);
        let change = |core: Arc<Core>| async move {
            let stored = writer.finish(data.clone()).await;
            stored.map_err(unavailable)?;
            core.data_stored(&data);
            Ok(data)
        };
        core.to_the_end(change).await
    }

    async fn flush(&mut self) -> Result<(), CodedError> {
        let piece = self.gathered.split().freeze();
        if piece.is_empty() {
            return Ok(());
        }
        self.hash.update(&piece);
        self.writer.write(piece).await.map_err(unavailable)
    }
}

/// What is known of a blob: its name and path are what its metadata says.
pub(crate) fn described(metadata: &RawValue, hash: Hash, size: u64) -> Blob {
    let name = name(metadata);
    let path = (!name.is_empty()).then(|| {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("/{}", folder.strip_prefix('/').unwrap_or(folder))
    });
    Blob {
        hash,
        size,
        name,
        path,
    }
}

fn name(metadata: &RawValue) -> String {
    // What is no text, or no object, says nothing.
    let said: BTreeMap<String, &RawValue> =
        serde_json::from_str(metadata.get()).unwrap_or_default();
    let text = |key: &str| {
        let text = serde_json::from_str::<String>(said.get(key)?.get()).ok();
        text.filter(|text| !text.is_empty())
    };
    match (text("name"), text("path"), text("filename")) {
        (Some(name), _, _) => name,
        (None, Some(path), Some(filename)) => format!("{path}/{filename}"),
        (None, _, filename) => filename.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_named_by_its_metadata() {
        for (metadata, name, path) in [
            ("null", "", None),
            ("5", "", None),
            (r#""a.txt""#, "", None),
            (r#"["a.txt"]"#, "", None),
            ("{}", "", None),
            (r#"{"name":"a.txt"}"#, "a.txt", Some("/")),
            (r#"{"name":"/a.txt"}"#, "/a.txt", Some("/")),
            (
                r#"{"name":"a/b/c.txt","filename":"x"}"#,
                "a/b/c.txt",
                Some("/a/b"),
            ),
            (
                r#"{"name":"","path":"a/b","filename":"c"}"#,
                "a/b/c",
                Some("/a/b"),
            ),
            (r#"{"path":"/a","filename":"c"}"#, "/a/c", Some("/a")),
            (r#"{"path":"a"}"#, "", None),
            (r#"{"name":5,"filename":"c"}"#, "c", Some("/")),
            (r#"{"name":"a","name":"b"}"#, "b", Some("/")),
            (r#"{"name":"a\u002fb","mimetype":{}}"#, "a/b", Some("/a")),
        ] {
            let value = RawValue::from_string(metadata.to_owned()).unwrap();
            let blob = described(&value, Hash([1; 32]), 7);
            assert_eq!(
                (&*blob.name, blob.path.as_deref()),
                (name, path),
                "{metadata}"
            );
        }
    }
}
