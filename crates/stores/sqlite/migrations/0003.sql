-- A row of the log is its record as the contract packs it, so that reading it is one copy: docs/adr/0017-packed-records.md.
-- `packed_record` is a function of the migration (src/migration.rs).

DROP INDEX log_id;
DROP INDEX log_key;
ALTER TABLE log RENAME TO log_in_columns;

-- One row a message: (number of the namespace << 40) | sequence of its last event.
CREATE TABLE log (
    pos    INTEGER PRIMARY KEY,
    id     BLOB    NOT NULL,                  -- of the message; the ids of its events and values follow from it
    key    TEXT,                              -- the idempotency key
    record BLOB    NOT NULL                   -- crates/contract/src/record/packed.rs has the format
) STRICT;
INSERT INTO log (pos, id, key, record)
    SELECT pos, id, key, packed_record(kind, created, topics, tag, author, grp, correlator, key,
                                       message_start, message_len, events, data, validators)
    FROM log_in_columns ORDER BY pos;
CREATE UNIQUE INDEX log_id ON log (id);
CREATE UNIQUE INDEX log_key ON log (pos >> 40, key) WHERE key IS NOT NULL;
DROP TABLE log_in_columns;
