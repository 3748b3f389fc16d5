-- Plans that venues keep, and the halls of sessions that were made from one (docs/adr/0090).

-- `document`: a plan as its author wrote it (catalog.halls.document). A session has a copy of what it lays out,
-- so that a plan may change or go at any time.
CREATE TABLE plans (
    plan_id    uuid PRIMARY KEY,
    venue_id   uuid        NOT NULL REFERENCES venues ON DELETE CASCADE,
    name       text        NOT NULL CONSTRAINT plans_name_has_a_length CHECK (length(name) BETWEEN 1 AND 200),
    seats      int         NOT NULL CONSTRAINT plans_have_few_enough_seats CHECK (seats BETWEEN 0 AND 200000),
    revision   int         NOT NULL DEFAULT 1,
    document   json        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX plans_by_venue ON plans (venue_id, name, plan_id);

-- A session's copy. `hall`: the stage, the levels, and what the audience looks at. `geometry`: an area as the plan's
-- hall has it, its rows and outline (catalog.halls.hall). `level`: its level's name. These are NULL where a session was
-- made from rows: then its hall is laid out when somebody reads it. `kept`: how many of its seats the plan keeps from
-- sale; `taken` has them from the start. Older code reads `plan`, which has the same
-- positions, and writes areas without geometry, whose hall is laid out from their rows again.
ALTER TABLE sessions
    ADD COLUMN hall                jsonb,
    ADD COLUMN refuse_single_seats boolean NOT NULL DEFAULT false;
ALTER TABLE areas
    ADD COLUMN geometry jsonb,
    ADD COLUMN level    text,
    ADD COLUMN entrance text,
    ADD COLUMN kept     int NOT NULL DEFAULT 0;

-- As before, and of the new columns.
CREATE OR REPLACE TRIGGER areas_frozen_once_published
    BEFORE INSERT OR DELETE OR UPDATE OF
        area_id, session_id, place, name, kind, price, capacity, first_seat_id, last_seat_id, plan,
        geometry, level, entrance, kept
    ON areas FOR EACH ROW EXECUTE FUNCTION refuse_change_of_published_plan();

CREATE OR REPLACE TRIGGER sessions_frozen_once_published
    BEFORE UPDATE ON sessions FOR EACH ROW
    WHEN (OLD.status <> 'draft' AND (
        NEW.status = 'draft'
        OR (NEW.session_id, NEW.show_id, NEW.starts_at, NEW.local_date, NEW.sale_opens_at,
            NEW.currency, NEW.max_tickets_per_user, NEW.hall, NEW.refuse_single_seats)
           IS DISTINCT FROM
           (OLD.session_id, OLD.show_id, OLD.starts_at, OLD.local_date, OLD.sale_opens_at,
            OLD.currency, OLD.max_tickets_per_user, OLD.hall, OLD.refuse_single_seats)))
    EXECUTE FUNCTION refuse_change_of_published_session();

-- As before, with one column more at its end.
CREATE OR REPLACE VIEW session_states AS
SELECT s.session_id, s.show_id, s.starts_at, s.local_date, s.sale_opens_at, s.sale_closes_at, s.currency,
       s.max_tickets_per_user, s.status, s.published_at, s.created_at,
       CASE
           WHEN s.status = 'cancelled' THEN 'cancelled'
           WHEN s.status = 'draft' THEN 'draft'
           WHEN now() < s.sale_opens_at THEN 'scheduled'
           WHEN now() >= s.sale_closes_at THEN 'closed'
           WHEN rest.available = 0 THEN 'sold_out'
           ELSE 'on_sale'
       END AS sale_status,
       rest.price_from, s.refuse_single_seats
FROM sessions s
CROSS JOIN LATERAL (
    SELECT sum(greatest(0, least(a.capacity, a.capacity - a.taken))) AS available,
           min(a.price) AS price_from
    FROM areas a WHERE a.session_id = s.session_id
) AS rest;
