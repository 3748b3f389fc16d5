-- A session that is cancelled writes to everybody who had a ticket, tens of thousands at once. Those mails have
-- a lane of their own, and its index says which they are; so one look at each lane finds who is next.
CREATE INDEX messages_due_in_bulk ON messages (next_attempt)
    WHERE state = 'due' AND template IN ('session_cancelled', 'refund_succeeded');
CREATE INDEX messages_due_singly ON messages (next_attempt)
    WHERE state = 'due' AND template NOT IN ('session_cancelled', 'refund_succeeded');
