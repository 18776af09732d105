-- The first layout. docs/adr/0003-sqlite-layout.md says why it is so.

-- The number of a namespace is the upper part of the positions of its log.
CREATE TABLE namespaces (
    number      INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    description TEXT    NOT NULL,
    created     INTEGER NOT NULL              -- nanoseconds since 1970, as everywhere here
) STRICT;

CREATE TABLE groups (
    namespace  INTEGER NOT NULL,
    hash       BLOB    NOT NULL,
    definition TEXT    NOT NULL,
    created    INTEGER NOT NULL,
    PRIMARY KEY (namespace, hash)
) STRICT;

-- One row a message: (number of the namespace << 40) | sequence of its last event.
CREATE TABLE log (
    pos           INTEGER PRIMARY KEY,
    id            BLOB    NOT NULL,           -- of the message; the ids of its events and values follow from it
    kind          INTEGER NOT NULL,           -- place in EventType::ALL
    created       INTEGER NOT NULL,
    topics        TEXT    NOT NULL,           -- joined by ','; as many as there are events
    tag           TEXT    NOT NULL,
    author        TEXT    NOT NULL,
    grp           TEXT    NOT NULL,
    correlator    BLOB,
    key           TEXT,                       -- the idempotency key
    message_start INTEGER NOT NULL,           -- where the message stands in the JSON of the first event
    message_len   INTEGER NOT NULL,
    events        BLOB    NOT NULL,           -- a line of JSON each, joined by '\n'
    data          BLOB,                       -- a line of JSON for each value; an empty line is in large_values
    validators    TEXT                        -- a letter for each value; NULL if all are 'j'
) STRICT;
CREATE UNIQUE INDEX log_id ON log (id);
CREATE UNIQUE INDEX log_key ON log (pos >> 40, key) WHERE key IS NOT NULL;

CREATE TABLE large_values (
    pos  INTEGER NOT NULL,                    -- of the row in log
    part INTEGER NOT NULL,                    -- which of its values, from 0
    json BLOB    NOT NULL,
    PRIMARY KEY (pos, part)
) STRICT;

CREATE TABLE subscriptions (
    number     INTEGER PRIMARY KEY,           -- in the order of creation
    id         BLOB    NOT NULL UNIQUE,
    namespace  INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    definition TEXT    NOT NULL,              -- JSON
    UNIQUE (namespace, name)
) STRICT;

-- Narrow and apart, because it is written all the time.
CREATE TABLE offsets (
    subscription BLOB    PRIMARY KEY,
    namespace    INTEGER NOT NULL,
    offset       INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    generation   INTEGER NOT NULL,
    settled      TEXT    NOT NULL,            -- 'gap+more,…': ranges, each by its distance from the one before
    failures     TEXT    NOT NULL             -- 'distance:count,…', the distance from the offset
) STRICT, WITHOUT ROWID;

CREATE TABLE parked (
    subscription BLOB    NOT NULL,
    sequence     INTEGER NOT NULL,
    event        BLOB    NOT NULL,
    epoch        INTEGER NOT NULL,
    generation   INTEGER NOT NULL,            -- entries from before a seek do not settle their events
    attempts     INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    created      INTEGER NOT NULL,
    PRIMARY KEY (subscription, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE replies (
    subscription BLOB    NOT NULL,
    generation   INTEGER NOT NULL,
    event        INTEGER NOT NULL,
    message      BLOB    NOT NULL,
    PRIMARY KEY (subscription, generation, event)
) STRICT, WITHOUT ROWID;
