-- Data that was stored by itself: docs/adr/0018-stored-data-and-blobs.md says why it is apart from the log.
CREATE TABLE data (
    id         BLOB    NOT NULL PRIMARY KEY,  -- in time order; its last twelve bits are 0, see crates/contract/src/id.rs
    namespace  INTEGER NOT NULL,
    definition TEXT    NOT NULL,              -- JSON, as it is shown; the value stands in it as it is hashed
    blob       BLOB,                          -- the hash of its blob, and what else is known of that
    blob_bytes INTEGER,
    blob_path  TEXT
) STRICT;
CREATE INDEX data_namespace ON data (namespace, id);
CREATE INDEX data_blob ON data (namespace, blob, blob_bytes) WHERE blob IS NOT NULL;
CREATE INDEX data_blob_path ON data (namespace, blob_path) WHERE blob_path IS NOT NULL;

-- Blobs that may have a file and have no data: being written, or being removed. A start removes what there is of them.
CREATE TABLE moving_blobs (
    id BLOB NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Groups are listed by the time of their first use.
CREATE INDEX groups_created ON groups (namespace, created, hash);
