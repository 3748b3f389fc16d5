-- Sessions, their areas, and the availability of these.

-- name: insert_session!
INSERT INTO sessions (session_id, show_id, starts_at, local_date, sale_opens_at, sale_closes_at,
                      currency, max_tickets_per_user, refuse_single_seats, hall)
VALUES (:session_id, :show_id, :starts_at, :local_date, :sale_opens_at, :sale_closes_at,
        :currency, :max_tickets_per_user, :refuse_single_seats, :hall);

-- name: insert_areas!
-- All areas of a session in one statement, in their order.
INSERT INTO areas (area_id, session_id, place, name, kind, price, capacity, first_seat_id,
                   last_seat_id, plan, geometry, level, entrance, kept, taken)
SELECT area_id, :session_id, place - 1, name, kind, price, capacity, first_seat_id, last_seat_id,
       plan, geometry, level, entrance, kept, kept
FROM unnest(:area_ids::uuid[], :names::text[], :kinds::text[], :prices::bigint[],
            :capacities::int[], :first_seat_ids::int[], :last_seat_ids::int[], :plans::jsonb[],
            :geometries::jsonb[], :levels::text[], :entrances::text[], :kept::int[])
     WITH ORDINALITY AS given (area_id, name, kind, price, capacity, first_seat_id, last_seat_id,
                               plan, geometry, level, entrance, kept, place);

-- name: set_area_prices!
-- Of a draft: a trigger refuses it of what is published.
UPDATE areas SET price = given.price
FROM unnest(:area_ids::uuid[], :prices::bigint[]) AS given (area_id, price)
WHERE areas.area_id = given.area_id;

-- name: set_hall!
-- Of a draft whose areas are replaced. NULL where they are rows.
UPDATE sessions SET hall = :hall WHERE session_id = :session_id AND status = 'draft';

-- name: sessions
-- Sessions joined with their shows. `sale_status` is by this database's clock.
SELECT st.session_id, st.show_id, st.starts_at, st.sale_opens_at, st.sale_closes_at, st.currency,
       st.max_tickets_per_user, st.refuse_single_seats, st.status, st.sale_status,
       coalesce(c.paused, false) AS paused, c.max_tickets_per_user AS steered_max,
       sh.organizer_id, sh.title, v.name AS venue, v.city, v.time_zone,
       sh.refundable, sh.refund_until_hours, sh.refund_fee_kind, sh.refund_fee, sh.refund_approval,
       p.sheet::text AS sheet
FROM session_states st JOIN shows sh USING (show_id) JOIN venues v USING (venue_id)
LEFT JOIN sale_controls c ON c.session_id = st.session_id
LEFT JOIN session_prices p ON p.session_id = st.session_id
WHERE st.session_id = ANY(:session_ids::uuid[]);

-- name: sessions_of_show
SELECT st.session_id, st.show_id, st.starts_at, st.sale_opens_at, st.sale_closes_at, st.currency,
       st.max_tickets_per_user, st.refuse_single_seats, st.status, st.sale_status, v.time_zone,
       coalesce(p.price_from, st.price_from) AS price_from, p.sheet::text AS sheet,
       coalesce(c.paused, false) AS paused, c.max_tickets_per_user AS steered_max,
       st.starts_at > now() AS ahead
FROM session_states st JOIN shows sh USING (show_id) JOIN venues v USING (venue_id)
LEFT JOIN sale_controls c ON c.session_id = st.session_id
LEFT JOIN session_prices p ON p.session_id = st.session_id
WHERE st.show_id = :show_id
ORDER BY st.starts_at, st.session_id;

-- name: areas_of_sessions
-- Without the plans, because they may be large.
SELECT session_id, area_id, name, kind, price, capacity, first_seat_id, last_seat_id, level, entrance,
       greatest(0, least(capacity, capacity - taken)) AS available
FROM areas WHERE session_id = ANY(:session_ids::uuid[])
ORDER BY session_id, place;

-- name: standing_of_session^
-- Its owner and status, without the columns that the view computes.
SELECT s.status, s.revision, sh.organizer_id
FROM sessions s JOIN shows sh USING (show_id) WHERE s.session_id = :session_id;

-- name: hall_of_session
-- The areas with their rows and places. One statement also reads the session's columns that a draft's map
-- shows, so that a concurrent change is in all of the map or in none of it. The hall is in the first row.
SELECT s.status, s.currency, CASE WHEN a.place = 0 THEN s.hall END AS hall, a.area_id, a.name, a.kind,
       a.price, a.capacity, a.first_seat_id, a.last_seat_id, a.plan, a.geometry
FROM sessions s JOIN areas a USING (session_id) WHERE s.session_id = :session_id
ORDER BY a.place;

-- name: lock_session^
-- Held until the transaction ends, so that changes of one session run one at a time.
SELECT s.session_id, s.show_id, s.starts_at, s.local_date, s.sale_opens_at, s.sale_closes_at,
       s.currency, s.max_tickets_per_user, s.refuse_single_seats, s.status, sh.organizer_id, sh.venue_id
FROM sessions s JOIN shows sh USING (show_id)
WHERE s.session_id = :session_id FOR UPDATE OF s;

-- name: lock_sessions_of_show
-- Lock the show first: its lock prevents new sessions.
SELECT session_id, status FROM sessions WHERE show_id = :show_id
ORDER BY session_id FOR UPDATE;

-- name: publish_session!
-- From draft only. The trigger on areas waits for this row, so the plan is complete when it freezes.
UPDATE sessions SET status = 'published', published_at = now()
WHERE session_id = :session_id AND status = 'draft';

-- name: cancel_session$
-- From published only. NULL if it was cancelled before, or never published.
UPDATE sessions SET status = 'cancelled'
WHERE session_id = :session_id AND status = 'published' RETURNING show_id;

-- name: update_session$
-- Compare-and-set on the status for which the change was checked.
UPDATE sessions
SET starts_at = :starts_at, local_date = :local_date, sale_opens_at = :sale_opens_at,
    sale_closes_at = :sale_closes_at, currency = :currency,
    max_tickets_per_user = :max_tickets_per_user, refuse_single_seats = :refuse_single_seats,
    revision = revision + 1
WHERE session_id = :session_id AND status = :status RETURNING revision;

-- name: delete_areas!
DELETE FROM areas WHERE session_id = ANY(:session_ids::uuid[]);

-- name: delete_drafts!
-- Delete their areas first. A published session is never deleted, because orders refer to it.
DELETE FROM sessions WHERE session_id = ANY(:session_ids::uuid[]) AND status = 'draft';

-- name: set_sale_controls!
-- An older version changes nothing.
INSERT INTO sale_controls AS c (session_id, paused, max_tickets_per_user, version)
VALUES (:session_id, :paused, :max_tickets_per_user, :version)
ON CONFLICT (session_id) DO UPDATE
    SET paused = EXCLUDED.paused, max_tickets_per_user = EXCLUDED.max_tickets_per_user,
        version = EXCLUDED.version
    WHERE c.version < EXCLUDED.version;

-- name: move_availability
-- Adds booking's deltas, one per area. Rows are locked in ascending order first: two deliveries may run
-- at once, and a join guarantees no order.
WITH moves AS (
    SELECT area_id, session_id, delta
    FROM unnest(:area_ids::uuid[], :session_ids::uuid[], :deltas::bigint[])
        AS given (area_id, session_id, delta)
), locked AS MATERIALIZED (
    SELECT a.area_id FROM areas a JOIN moves m USING (area_id, session_id)
    ORDER BY a.area_id FOR NO KEY UPDATE OF a
)
UPDATE areas a SET taken = a.taken + m.delta
FROM moves m JOIN locked USING (area_id)
WHERE a.area_id = m.area_id
RETURNING a.area_id;
