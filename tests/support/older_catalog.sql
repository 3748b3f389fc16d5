-- Statements of the last release that knew no plans (docs/adr/0090): what a process of it still runs on the schema
-- of this one, and what its sessions were written by.

-- name: insert_session!
INSERT INTO sessions (session_id, show_id, starts_at, local_date, sale_opens_at, sale_closes_at,
                      currency, max_tickets_per_user)
VALUES (:session_id, :show_id, :starts_at, :local_date, :sale_opens_at, :sale_closes_at,
        :currency, :max_tickets_per_user);

-- name: insert_areas!
INSERT INTO areas (area_id, session_id, place, name, kind, price, capacity, first_seat_id,
                   last_seat_id, plan)
SELECT area_id, :session_id, place - 1, name, kind, price, capacity, first_seat_id, last_seat_id,
       plan
FROM unnest(:area_ids::uuid[], :names::text[], :kinds::text[], :prices::bigint[],
            :capacities::int[], :first_seat_ids::int[], :last_seat_ids::int[], :plans::jsonb[])
     WITH ORDINALITY AS given (area_id, name, kind, price, capacity, first_seat_id, last_seat_id,
                               plan, place);

-- name: delete_areas!
DELETE FROM areas WHERE session_id = ANY(:session_ids::uuid[]);

-- name: update_session$
UPDATE sessions
SET starts_at = :starts_at, local_date = :local_date, sale_opens_at = :sale_opens_at,
    sale_closes_at = :sale_closes_at, currency = :currency,
    max_tickets_per_user = :max_tickets_per_user, revision = revision + 1
WHERE session_id = :session_id AND status = :status RETURNING revision;

-- name: plan_of_session
SELECT s.status, s.currency, a.area_id, a.name, a.kind, a.price, a.capacity, a.first_seat_id,
       a.last_seat_id, a.plan
FROM sessions s JOIN areas a USING (session_id) WHERE s.session_id = :session_id
ORDER BY a.place;

-- name: publish_session!
UPDATE sessions SET status = 'published', published_at = now()
WHERE session_id = :session_id AND status = 'draft';

-- name: delete_drafts!
DELETE FROM sessions WHERE session_id = ANY(:session_ids::uuid[]) AND status = 'draft';

-- name: delete_venue!
DELETE FROM venues WHERE venue_id = :venue_id;
