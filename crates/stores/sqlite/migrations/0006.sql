-- What went wrong last with a parked event, and whether it is to be delivered again.
ALTER TABLE parked ADD COLUMN error TEXT;
ALTER TABLE parked ADD COLUMN replay INTEGER;         -- set while it is marked: the counted failures of the replay
ALTER TABLE parked ADD COLUMN replay_since INTEGER;   -- nanoseconds since 1970: the first of these attempts
CREATE INDEX parked_event ON parked (subscription, event);
CREATE INDEX parked_replay ON parked (subscription, sequence) WHERE replay IS NOT NULL;
