-- Secret options of subscriptions, apart from what is shown: an object, the values by their places.
CREATE TABLE secrets (
    subscription BLOB PRIMARY KEY,
    options      TEXT NOT NULL                -- JSON
) STRICT, WITHOUT ROWID;
