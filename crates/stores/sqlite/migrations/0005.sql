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

-- Datatypes come with the record that announces them, and stay when that goes.
CREATE TABLE datatypes (
    namespace  INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    version    TEXT    NOT NULL,
    id         BLOB    NOT NULL,              -- of the record
    definition TEXT    NOT NULL,              -- JSON, as it is shown
    PRIMARY KEY (namespace, name, version)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX datatypes_id ON datatypes (namespace, id);

-- Which messages name a value that they did not bring.
CREATE TABLE data_references (
    data BLOB    NOT NULL,
    pos  INTEGER NOT NULL,                    -- in the log
    PRIMARY KEY (data, pos)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO data_references (data, pos)
    SELECT unhex(reference.value), log.pos FROM log, json_each(references_of(log.id, log.record)) AS reference;

-- Groups are listed by the time of their first use.
CREATE INDEX groups_created ON groups (namespace, created, hash);
