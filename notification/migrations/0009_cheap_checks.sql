-- A regular expression took a third of the time to plan a message, and as much again at each of its changes: PostgreSQL
-- checks a row's constraints whenever the row is written. Which templates there are is for planning.py to say.
ALTER TABLE messages
    DROP CONSTRAINT messages_template,
    ADD CONSTRAINT messages_template CHECK (length(template) BETWEEN 1 AND 64) NOT VALID;
