-- Deliveries: claimed by senders, listed and resent by organizers, pruned.

-- name: claim_deliveries
-- Fair by owner: the owner with the fewest deliveries in progress gets the next place, and none has more than
-- :owner_most, so that slow receivers of one owner delay no other owner. Within an owner, all endpoints that
-- are not busy take turns with a few deliveries each; an endpoint that fails gets one at a time. Endpoints
-- with pending deliveries are found by skipping through the index, one probe each. A lease, not a lock: no
-- transaction is open during the request; `claims` is the fence of the claim.
WITH RECURSIVE waiting AS (
    (SELECT endpoint_id FROM webhook_deliveries WHERE state = 'pending' ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.endpoint_id FROM webhook_deliveries d
            WHERE d.state = 'pending' AND d.endpoint_id > w.endpoint_id ORDER BY d.endpoint_id LIMIT 1)
    FROM waiting w WHERE w.endpoint_id IS NOT NULL),
due AS (
    SELECT p.owner_id, few.delivery_id, few.next_attempt,
           row_number() OVER (PARTITION BY p.owner_id ORDER BY few.turn, few.next_attempt) AS turn
    FROM waiting JOIN webhook_endpoints p ON p.endpoint_id = waiting.endpoint_id AND p.active
    CROSS JOIN LATERAL (
        SELECT first.delivery_id, first.next_attempt,
               row_number() OVER (ORDER BY first.next_attempt) AS turn
        FROM (SELECT d.delivery_id, d.next_attempt FROM webhook_deliveries d
              WHERE d.endpoint_id = p.endpoint_id AND d.state = 'pending' AND d.next_attempt <= now()
              ORDER BY d.next_attempt LIMIT :each) AS first) AS few
    WHERE NOT p.endpoint_id = ANY(:busy::uuid[])
      AND few.turn <= CASE WHEN p.failing_since IS NULL THEN :each ELSE 1 END),
on_their_way AS (
    SELECT owner_id, count(*) AS number FROM unnest(:owners::uuid[]) AS o (owner_id) GROUP BY owner_id),
chosen AS (
    SELECT due.delivery_id
    FROM due LEFT JOIN on_their_way USING (owner_id)
    WHERE due.turn + coalesce(number, 0) <= :owner_most
    ORDER BY due.turn + coalesce(number, 0), due.next_attempt
    LIMIT :limit),
mine AS (
    SELECT d.delivery_id FROM webhook_deliveries d
    WHERE d.delivery_id IN (SELECT delivery_id FROM chosen)
      AND d.state = 'pending' AND d.next_attempt <= now()
    FOR UPDATE SKIP LOCKED)
UPDATE webhook_deliveries d
SET claims = d.claims + 1, attempts = d.attempts + 1, last_attempt_at = now(),
    next_attempt = now() + make_interval(secs => :lease_s::float8)
FROM mine, webhook_endpoints p, webhook_events e
WHERE d.delivery_id = mine.delivery_id AND p.endpoint_id = d.endpoint_id AND e.event_id = d.event_id
RETURNING d.delivery_id, d.endpoint_id, p.owner_id, d.event_id, d.claims AS claim, d.attempts AS attempt, p.url, e.body,
          e.request_id, e.traceparent, now() AS claimed_at,
          ARRAY(SELECT s.secret FROM webhook_secrets s
                WHERE s.endpoint_id = p.endpoint_id AND (s.expires_at IS NULL OR s.expires_at > now())
                ORDER BY s.created_at DESC) AS secrets;

-- name: delivered!
-- Only by the claim that was sent. Clears the endpoint's failures.
WITH marked AS (
    UPDATE webhook_deliveries
    SET state = 'delivered', next_attempt = NULL, ended_at = now(), last_status = :status,
        last_error = NULL, last_latency_ms = :latency_ms, last_response = :response
    WHERE delivery_id = :delivery_id AND state = 'pending' AND claims = :claim
    RETURNING endpoint_id)
UPDATE webhook_endpoints p SET failing_since = NULL
FROM marked WHERE p.endpoint_id = marked.endpoint_id AND p.failing_since IS NOT NULL;

-- name: not_delivered^
-- Gives the delivery up if there is no delay or its time is over. `gone`: the receiver answered 410. An
-- endpoint that has failed for long enough without a success is deactivated.
WITH marked AS (
    UPDATE webhook_deliveries
    SET state = CASE WHEN again THEN 'pending' ELSE 'failed' END,
        next_attempt = CASE WHEN again THEN now() + make_interval(secs => :delay_s::float8) END,
        ended_at = CASE WHEN again THEN NULL ELSE now() END,
        last_status = :status, last_error = :error, last_latency_ms = :latency_ms,
        last_response = :response
    FROM (SELECT d.delivery_id AS id, coalesce(:delay_s::float8 IS NOT NULL
              AND d.started_at > now() - make_interval(hours => :give_up_hours::int), false) AS again
          FROM webhook_deliveries d WHERE d.delivery_id = :delivery_id) AS verdict
    WHERE delivery_id = verdict.id AND state = 'pending' AND claims = :claim
    RETURNING endpoint_id, state)
UPDATE webhook_endpoints p
SET failing_since = coalesce(p.failing_since, now()),
    active = p.active AND NOT :gone::boolean AND NOT long_failing,
    disabled_reason = CASE WHEN NOT p.active THEN p.disabled_reason WHEN :gone::boolean THEN 'gone'
                           WHEN long_failing THEN 'failing' END
FROM (SELECT marked.state, q.endpoint_id AS id, coalesce(
          q.failing_since < now() - make_interval(hours => :disable_hours::int), false) AS long_failing
      FROM marked JOIN webhook_endpoints q USING (endpoint_id)) AS found
WHERE p.endpoint_id = found.id
RETURNING found.state, p.active, p.disabled_reason;

-- name: list_deliveries
-- Newest first.
SELECT d.delivery_id, d.endpoint_id, d.event_id, e.type, d.state, d.attempts, d.next_attempt,
       d.last_attempt_at, d.last_status, d.last_error, d.last_latency_ms, d.last_response,
       d.created_at, d.ended_at
FROM webhook_deliveries d JOIN webhook_events e USING (event_id)
WHERE d.endpoint_id = :endpoint_id AND (:state::text IS NULL OR d.state = :state)
ORDER BY d.delivery_id DESC
LIMIT :limit OFFSET :offset;

-- name: count_deliveries$
-- Counts up to :most.
SELECT count(*) FROM (
    SELECT 1 FROM webhook_deliveries
    WHERE endpoint_id = :endpoint_id AND (:state::text IS NULL OR state = :state)
    LIMIT :most) AS counted;

-- name: delivery^
-- One delivery with its body. The endpoint has the owner.
SELECT d.delivery_id, d.endpoint_id, d.event_id, e.type, d.state, d.attempts, d.next_attempt,
       d.last_attempt_at, d.last_status, d.last_error, d.last_latency_ms, d.last_response,
       d.created_at, d.ended_at, e.body, p.active
FROM webhook_deliveries d JOIN webhook_events e USING (event_id)
JOIN webhook_endpoints p USING (endpoint_id)
WHERE d.delivery_id = :delivery_id AND p.deleted_at IS NULL
  AND (:owner_id::uuid IS NULL OR p.owner_id = :owner_id);

-- name: send_again!
-- Makes it due now, with a new schedule. This counts as a claim, so that an attempt in progress can no longer
-- mark it.
UPDATE webhook_deliveries
SET state = 'pending', claims = claims + 1, attempts = 0, started_at = now(), next_attempt = now(),
    ended_at = NULL
WHERE delivery_id = :delivery_id;

-- name: insert_test!
-- A ping for one endpoint.
INSERT INTO webhook_events (event_id, type, session_id, request_id, happened_at, body, routed)
VALUES (:event_id, :type, NULL, :request_id, :happened_at, :body, true);

-- name: give_up_forgotten!
-- Of endpoints that are switched off: nobody tries these, and their days are over. Compare-and-set: one
-- whose last request was still on its way may have arrived meanwhile.
UPDATE webhook_deliveries
SET state = 'failed', next_attempt = NULL, ended_at = now(),
    last_error = coalesce(last_error, 'the endpoint is switched off')
WHERE state = 'pending' AND delivery_id IN (
    SELECT d.delivery_id FROM webhook_deliveries d JOIN webhook_endpoints p USING (endpoint_id)
    WHERE d.state = 'pending' AND NOT p.active
      AND d.started_at < now() - make_interval(hours => :give_up_hours::int)
    LIMIT :limit);

-- name: prune_deliveries$
-- Deletes deliveries that ended long ago or whose endpoint was deleted. A limited number, so that no
-- statement takes long. A delivery that is being sent keeps its row.
WITH pruned AS (
    DELETE FROM webhook_deliveries WHERE delivery_id IN (
        (SELECT delivery_id FROM webhook_deliveries
         WHERE state <> 'pending' AND ended_at < now() - make_interval(days => :days::int) LIMIT :limit)
        UNION ALL
        (SELECT d.delivery_id FROM webhook_endpoints p JOIN webhook_deliveries d USING (endpoint_id)
         WHERE p.deleted_at < now() - make_interval(secs => :lease_s::float8) LIMIT :limit))
    RETURNING 1)
SELECT count(*) FROM pruned;

-- name: prune_events$
-- Deletes events whose deliveries are all deleted. A delivery ends after its event, so younger events still
-- have theirs.
WITH pruned AS (
    DELETE FROM webhook_events WHERE event_id IN (
        SELECT e.event_id FROM webhook_events e
        WHERE e.routed AND e.created_at < now() - make_interval(days => :days::int)
          AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = e.event_id)
        LIMIT :limit)
    RETURNING 1)
SELECT count(*) FROM pruned;

-- name: prune_endpoints!
DELETE FROM webhook_endpoints p
WHERE p.deleted_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = p.endpoint_id);

-- name: prune_secrets!
DELETE FROM webhook_secrets WHERE expires_at < now();

-- name: audit_webhook_events_are_routed
-- No event waits too long for its session's organizer.
SELECT format('event %s of session %s is not routed since %s', event_id, session_id, created_at) AS broken
FROM webhook_events WHERE NOT routed AND created_at < now() - :patience::interval
LIMIT :limit;

-- name: audit_webhook_endpoints_can_sign
-- Each endpoint has one current secret.
SELECT format('endpoint %s has %s current secrets', p.endpoint_id, count(s.secret)) AS broken
FROM webhook_endpoints p
LEFT JOIN webhook_secrets s ON s.endpoint_id = p.endpoint_id AND s.expires_at IS NULL
WHERE p.deleted_at IS NULL
GROUP BY p.endpoint_id HAVING count(s.secret) <> 1
LIMIT :limit;

-- name: audit_webhook_deliveries_end
-- Each delivery is delivered or given up in time, plus a day for pruning.
SELECT format('delivery %s to endpoint %s is pending since %s', delivery_id, endpoint_id, started_at)
       AS broken
FROM webhook_deliveries
WHERE state = 'pending' AND started_at < now() - make_interval(hours => :give_up_hours::int + 24)
LIMIT :limit;

-- name: delivery_backlog^
-- For the gauges, from the index of pending deliveries; bounded.
SELECT count(*) FILTER (WHERE attempts = 0) AS new, count(*) FILTER (WHERE attempts > 0) AS tried,
       coalesce(extract(epoch FROM greatest(interval '0', now() - min(next_attempt))),
                0)::float8 AS oldest_s
FROM (SELECT attempts, next_attempt FROM webhook_deliveries WHERE state = 'pending'
      ORDER BY next_attempt LIMIT 10000) AS counted;
