-- Data that was stored by itself: docs/adr/0018-stored-data-and-blobs.md says why it is apart from the log.
CREATE TABLE data (
    id         BLOB    NOT NULL PRIMARY KEY,  -- in time order; its last twelve bits are 0, see crates/contract/src/id.rs
    namespace  INTEGER NOT NULL,
    definition TEXT    NOT NULL               -- JSON, as it is shown; the value stands in it as it is hashed
) STRICT;
CREATE INDEX data_namespace ON data (namespace, id);

-- Groups are listed by the time of their first use.
CREATE INDEX groups_created ON groups (namespace, created, hash);
