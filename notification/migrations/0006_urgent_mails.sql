-- Somebody waits in front of the page for these: they go before all others, also while a sale is on.
ALTER TABLE messages ADD COLUMN urgent boolean NOT NULL DEFAULT false;
CREATE INDEX messages_due_urgent ON messages (next_attempt) WHERE state = 'due' AND urgent;
