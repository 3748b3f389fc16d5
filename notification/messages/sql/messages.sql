-- Messages: planned by events, claimed by senders.

-- name: plan_messages!
-- The effect of events.
INSERT INTO messages (message_id, event_id, template, channel, user_id, event, urgent)
SELECT * FROM unnest(:message_ids::uuid[], :event_ids::uuid[], :templates::text[],
                     :channels::text[], :user_ids::uuid[], :events::json[], :urgent::boolean[])
ON CONFLICT ON CONSTRAINT messages_one_by_event DO NOTHING;

-- name: revive_messages!
-- Given up, and their event was sent again: due again, by every channel.
UPDATE messages
SET state = 'due', attempts = 0, next_attempt = now(), reason = '', ended_at = NULL
WHERE event_id = ANY(:event_ids::uuid[]) AND state = 'dead';

-- name: plan_beside!
-- By another channel, once.
INSERT INTO messages (message_id, event_id, template, channel, user_id, event)
SELECT :new_id, event_id, template, :channel, user_id, event FROM messages WHERE message_id = :message_id
ON CONFLICT ON CONSTRAINT messages_one_by_event DO NOTHING;

-- name: claim_messages
-- A lease, not a lock: no transaction is open while the mail is sent, and the message of a sender that dies
-- is free when its lease ends. `attempts` is the fence of the claim. `overtaken`: the order was paid or
-- cancelled while the message waited in a rush.
-- Three lanes, each with the longest due first. Urgent mails come first. Then three single mails alternate
-- with one mail of a cancelled session, so that its thousands of mails do not delay confirmations; if one
-- lane is empty, the other gets all places. Rows locked but not chosen are free when the statement ends.
WITH at_once AS MATERIALIZED (
    SELECT message_id, next_attempt FROM messages
    WHERE state = 'due' AND urgent AND next_attempt <= now()
    ORDER BY next_attempt
    LIMIT :limit
    FOR UPDATE SKIP LOCKED),
singly AS MATERIALIZED (
    SELECT message_id, next_attempt FROM messages
    WHERE state = 'due' AND template NOT IN ('session_cancelled', 'refund_succeeded')
      AND NOT urgent AND next_attempt <= now()
    ORDER BY next_attempt
    LIMIT :limit
    FOR UPDATE SKIP LOCKED),
in_bulk AS MATERIALIZED (
    SELECT message_id, next_attempt FROM messages
    WHERE state = 'due' AND template IN ('session_cancelled', 'refund_succeeded')
      AND NOT urgent AND next_attempt <= now()
    ORDER BY next_attempt
    LIMIT :limit
    FOR UPDATE SKIP LOCKED),
chosen AS (
    SELECT message_id FROM (
        SELECT message_id, next_attempt, 0 AS turn FROM at_once
        UNION ALL
        SELECT message_id, next_attempt, row_number() OVER (ORDER BY next_attempt) FROM singly
        UNION ALL
        SELECT message_id, next_attempt, 3 * row_number() OVER (ORDER BY next_attempt) FROM in_bulk) AS lanes
    ORDER BY turn, next_attempt
    LIMIT :limit)
UPDATE messages
SET attempts = attempts + 1, next_attempt = now() + make_interval(secs => :lease_s::float8)
WHERE message_id IN (SELECT message_id FROM chosen)
RETURNING message_id, template, channel, user_id, event, attempts, now() AS claimed_at,
    template = 'order_confirmation'
        AND created_at < now() - make_interval(secs => :stale_s::float8)
        AND EXISTS (
            SELECT 1 FROM messages AS later
            WHERE later.template IN ('payment_receipt', 'order_cancellation')
              AND later.event ->> 'subject' = messages.event ->> 'subject') AS overtaken;

-- name: waiting^
-- The load, from the index of due messages only: how many became due in the last second (counted up to
-- :enough), and how long the oldest has waited.
SELECT (SELECT count(*) FROM (
            SELECT 1 FROM messages
            WHERE state = 'due' AND next_attempt BETWEEN now() - interval '1 second' AND now()
            LIMIT :enough) AS counted) AS fresh,
       coalesce((SELECT extract(epoch FROM now() - next_attempt) FROM messages
                 WHERE state = 'due' ORDER BY next_attempt LIMIT 1), 0)::float8 AS longest_s;

-- name: end_messages!
-- Sent or skipped; only by the attempt that claimed the message. Found by their key, whatever the plan was made on:
-- of all that is due there may be a hundred thousand (docs/adr/0098).
UPDATE messages
SET state = ended.state, next_attempt = NULL, reason = ended.reason, ended_at = now()
FROM unnest(:message_ids::uuid[], :attempts::int[], :states::text[], :reasons::text[])
    AS ended (message_id, attempt, state, reason)
WHERE messages.message_id = ANY (:message_ids::uuid[]) AND messages.message_id = ended.message_id
  AND CASE messages.state WHEN 'due' THEN messages.attempts = ended.attempt ELSE false END;

-- name: put_off!
-- Failed; retried later.
UPDATE messages
SET next_attempt = now() + make_interval(secs => :delay_s::float8), reason = :reason
WHERE message_id = :message_id AND state = 'due' AND attempts = :attempt;

-- name: give_up!
-- Failed permanently. The event becomes a dead letter in the same statement: `stampede dlq` shows it, and
-- `stampede dlq retry` makes the message due again (see plan_messages).
WITH given_up AS (
    UPDATE messages
    SET state = 'dead', next_attempt = NULL, reason = :reason, ended_at = now()
    WHERE message_id = :message_id AND state = 'due' AND attempts = :attempt
    RETURNING event_id, event, channel || ' ' || template || ': ' || reason AS why, attempts)
INSERT INTO dead_letters (event_id, event, reason, attempts, next_attempt)
SELECT event_id, event::jsonb, why, attempts, NULL FROM given_up
ON CONFLICT (event_id) DO UPDATE
SET reason = excluded.reason, attempts = excluded.attempts, last_failed = now(), next_attempt = NULL;

-- name: prune_messages!
-- Keeps messages much longer than the inbox keeps events.
DELETE FROM messages
WHERE state <> 'due' AND created_at < now() - make_interval(days => :days::int);

-- name: is_up$
-- For the readiness probe.
SELECT true;

-- name: list_order_messages
-- A page of messages that booking's events caused, by the time in their ids.
SELECT message_id, template, channel, state, user_id, created_at, event_id, event ->> 'type' AS type,
       event ->> 'subject' AS subject, (event -> 'data')::text AS data
FROM messages
WHERE message_id > :after AND message_id < :until AND event ->> 'source' = 'booking'
ORDER BY message_id LIMIT :limit;

-- name: get_receipt$
-- The data of the event whose receipt the order's buyer got, by the index of what ends the time to pay.
SELECT (event -> 'data')::text FROM messages
WHERE event ->> 'subject' = :order_id AND template IN ('payment_receipt', 'order_cancellation')
  AND template = 'payment_receipt'
ORDER BY created_at LIMIT 1;

-- name: message_backlog^
-- For the gauges, from the index of due messages; bounded.
SELECT count(*) FILTER (WHERE attempts = 0) AS new, count(*) FILTER (WHERE attempts > 0) AS tried,
       coalesce(extract(epoch FROM greatest(interval '0', now() - min(next_attempt))),
                0)::float8 AS oldest_s
FROM (SELECT attempts, next_attempt FROM messages WHERE state = 'due'
      ORDER BY next_attempt LIMIT 10000) AS counted;
