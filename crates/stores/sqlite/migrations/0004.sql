-- Subscriptions that deliver nothing for a while.
CREATE TABLE pauses (
    subscription BLOB PRIMARY KEY,
    until        INTEGER,                     -- nanoseconds since 1970; NULL: until somebody resumes it
    reason       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
