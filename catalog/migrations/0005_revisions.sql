-- What an organizer has changed of a session, counted: a draft's seat map is kept for one revision of it,
-- and only the UPDATE of whoever changes the session moves it on.
ALTER TABLE sessions ADD COLUMN revision bigint NOT NULL DEFAULT 1;

-- Shows at a venue: who changes or deletes one asks for them.
CREATE INDEX shows_by_venue ON shows (venue_id);
