//! What can be set?

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the SQLite store. Every one has a default that is right for one server with its own
/// disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// When a publish counts as stored.
    pub synchronous: Synchronous,
    /// Values up to this many bytes are kept in the row of their message and read together with it; larger
    /// ones are kept apart and read only where they are needed.
    #[schemars(range(max = 16_777_216))]
    pub inline_value_max: usize,
    /// Most records that share one commit. One call that brings more is not divided.
    pub group_records_max: NonZeroUsize,
    /// Most bytes that share one commit. One call that brings more is not divided.
    pub group_bytes_max: NonZeroUsize,
    /// Threads that read, each with its own connection.
    #[schemars(range(max = 256))]
    pub readers: NonZeroUsize,
    /// Memory for pages of the database, in bytes, of the connection that writes. Each reader has as much, but at
    /// most 2 MiB: more makes it slower.
    #[schemars(range(max = 1_099_511_627_776_u64))]
    pub cache_bytes: u64,
    /// How many bytes of the database readers map into memory instead of copying; 0 turns it off. A disk
    /// that fails while it is mapped ends the process.
    pub mmap_bytes: u64,
    /// Written pages after which the write-ahead file is brought into the database and begun anew. More
    /// means fewer writes in all and a larger file.
    #[schemars(range(max = 16_777_216))]
    pub checkpoint_pages: NonZeroU32,
    /// The database does not grow beyond this many bytes; publishes are then refused as if the disk were
    /// full. No limit if absent.
    #[schemars(range(min = 1_048_576))]
    pub database_bytes_max: Option<NonZeroU64>,
    /// The directory for the bytes of blobs, created when it is needed; `blobs` beside the database if absent. It can
    /// be on another disk, and belongs to the database: what one has is of no use without the other.
    #[schemars(extend("format" = "path"))]
    pub blobs: Option<PathBuf>,
    /// All blobs together have at most so many bytes; uploads are then refused as if the disk were full. No limit if
    /// absent.
    pub blobs_bytes_max: Option<NonZeroU64>,
    /// Threads that write and read blobs.
    #[schemars(range(max = 256))]
    pub blob_threads: NonZeroUsize,
}

/// When a publish counts as stored.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// When the disk has confirmed it. Nothing that was answered is lost, also by a power cut.
    #[default]
    Full,
    /// When the operating system has it. Faster, and a publish that was answered can be **lost** by a power
    /// cut or a crash of the operating system; not by a crash or a kill of this process. What is left
    /// after such a loss is whole and in order: only the newest records are missing.
    Normal,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            inline_value_max: 4096,
            group_records_max: NonZeroUsize::new(1024).unwrap_or(NonZeroUsize::MIN),
            group_bytes_max: NonZeroUsize::new(8 << 20).unwrap_or(NonZeroUsize::MIN),
            readers: NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN),
            cache_bytes: 16 << 20,
            mmap_bytes: 0,
            checkpoint_pages: NonZeroU32::new(4096).unwrap_or(NonZeroU32::MIN),
            database_bytes_max: None,
            blobs: None,
            blobs_bytes_max: None,
            blob_threads: NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_to_be_set_and_nothing_unknown_can_be() {
        assert_eq!(
            serde_json::from_str::<Config>("{}").unwrap(),
            Config::default()
        );
        let set: Config = serde_json::from_str(r#"{"synchronous":"normal","readers":4}"#).unwrap();
        assert_eq!(set.synchronous, Synchronous::Normal);
        assert_eq!(set.readers.get(), 4);
        for json in [
            r#"{"reader":4}"#,
            r#"{"readers":0}"#,
            r#"{"group_records_max":0}"#,
            r#"{"synchronous":"off"}"#,
        ] {
            assert!(serde_json::from_str::<Config>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn every_setting_is_described() {
        let schema = schemars::schema_for!(Config);
        let properties = schema.get("properties").unwrap().as_object().unwrap();
        for (name, property) in properties {
            assert!(property.get("description").is_some(), "{name}");
        }
    }
}
