-- Subscriptions that deliver nothing for a while.
CREATE TABLE pauses (
    subscription BLOB PRIMARY KEY,
    until        INTEGER,                     -- nanoseconds since 1970; NULL: until somebody resumes it
    reason       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
<<<<<<< HEAD
=======

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
>>>>>>> 976ce8e (Datatypes are defined once, announced by datatype_confirmed, and checked where a value names one: in messages, data, uploads and files; a value leads to the messages that refer to it)
