-- Catalog: venues, shows, sessions, their areas with seat plans; what is left as booking tells it.
-- CHECKs restate catalog.domain.checks, so that no other way in can break a rule.

CREATE TABLE venues (
    venue_id   uuid PRIMARY KEY,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    city       text NOT NULL CHECK (length(city) BETWEEN 1 AND 100),
    address    text NOT NULL CHECK (length(address) <= 500),
    time_zone  text NOT NULL CHECK (length(time_zone) BETWEEN 1 AND 64),
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX venues_by_name ON venues (name, venue_id);

CREATE TABLE shows (
    show_id      uuid PRIMARY KEY,
    organizer_id uuid NOT NULL,
    venue_id     uuid NOT NULL REFERENCES venues,
    title        text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    category     text NOT NULL CHECK (length(category) BETWEEN 1 AND 50),
    description  text NOT NULL CHECK (length(description) <= 20000),
    poster_url   text CHECK (length(poster_url) <= 2000 AND poster_url ~ '^https?://'),
    -- Folded by catalog.domain.searching (width and case), never by the database's locale.
    city_key     text NOT NULL,
    category_key text NOT NULL,
    search_text  text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX shows_by_organizer ON shows (organizer_id);
CREATE INDEX shows_by_city ON shows (city_key);
CREATE INDEX shows_by_category ON shows (category_key);

CREATE TABLE sessions (
    session_id           uuid PRIMARY KEY,
    show_id              uuid NOT NULL REFERENCES shows,
    starts_at            timestamptz NOT NULL,
    local_date           date NOT NULL,        -- of starts_at in the venue's zone
    sale_opens_at        timestamptz NOT NULL,
    sale_closes_at       timestamptz NOT NULL,
    currency             text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    max_tickets_per_user int NOT NULL CHECK (max_tickets_per_user BETWEEN 1 AND 100),
    status               text NOT NULL DEFAULT 'draft'
                         CHECK (status IN ('draft', 'published', 'cancelled')),
    published_at         timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sessions_sale_opens_before_it_closes CHECK (sale_opens_at < sale_closes_at),
    CONSTRAINT sessions_published_at_when_published
        CHECK ((status = 'draft') = (published_at IS NULL))
);
CREATE INDEX sessions_by_show ON sessions (show_id, starts_at);

CREATE TABLE areas (
    area_id       uuid PRIMARY KEY,
    session_id    uuid NOT NULL REFERENCES sessions,
    place         int NOT NULL CHECK (place >= 0),  -- its turn among the session's areas
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    kind          text NOT NULL CHECK (kind IN ('seated', 'standing')),
    price         bigint NOT NULL CHECK (price BETWEEN 0 AND 10000000000),  -- minor units
    capacity      int NOT NULL CHECK (capacity BETWEEN 1 AND 200000),
    first_seat_id int NOT NULL CHECK (first_seat_id >= 1),
    last_seat_id  int NOT NULL,
    plan          jsonb,  -- [{label, seats, aisles?, accessible?}]: a seated area's rows
    -- Sum of booking's deltas. Unbounded on purpose: events of two orders may come in either order,
    -- so it may be wrong by a few for a moment; readers clamp it to 0 … capacity.
    taken         bigint NOT NULL DEFAULT 0,
    CONSTRAINT areas_one_place UNIQUE (session_id, place),
    CONSTRAINT areas_one_name UNIQUE (session_id, name),
    CONSTRAINT areas_room_for_their_seats CHECK (last_seat_id - first_seat_id + 1 >= capacity),
    CONSTRAINT areas_rows_when_seated CHECK ((kind = 'seated') = (plan IS NOT NULL))
);

-- A published plan is what tickets were sold by: it never changes again.
CREATE FUNCTION refuse_change_of_published_plan() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owners uuid[] := CASE TG_OP
        WHEN 'INSERT' THEN ARRAY[NEW.session_id]
        WHEN 'DELETE' THEN ARRAY[OLD.session_id]
        ELSE ARRAY[OLD.session_id, NEW.session_id] END;
    state text;
BEGIN
    -- FOR SHARE waits for a publishing under way, so nothing slips in between.
    FOR state IN SELECT status FROM sessions WHERE session_id = ANY(owners) FOR SHARE LOOP
        IF state <> 'draft' THEN
            RAISE EXCEPTION 'the plan of a published session is frozen'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'areas_frozen_once_published';
        END IF;
    END LOOP;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

-- Not on `taken`: moving availability pays nothing for this.
CREATE TRIGGER areas_frozen_once_published
    BEFORE INSERT OR DELETE OR UPDATE OF
        area_id, session_id, place, name, kind, price, capacity, first_seat_id, last_seat_id, plan
    ON areas FOR EACH ROW EXECUTE FUNCTION refuse_change_of_published_plan();

CREATE FUNCTION refuse_change_of_published_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'only the end of the sale of a published session may change'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'sessions_frozen_once_published';
END $$;

CREATE TRIGGER sessions_frozen_once_published
    BEFORE UPDATE ON sessions FOR EACH ROW
    WHEN (OLD.status <> 'draft' AND (
        NEW.status = 'draft'
        OR (NEW.session_id, NEW.show_id, NEW.starts_at, NEW.local_date, NEW.sale_opens_at,
            NEW.currency, NEW.max_tickets_per_user)
           IS DISTINCT FROM
           (OLD.session_id, OLD.show_id, OLD.starts_at, OLD.local_date, OLD.sale_opens_at,
            OLD.currency, OLD.max_tickets_per_user)))
    EXECUTE FUNCTION refuse_change_of_published_session();

-- A session as it stands at this moment by this database's clock. The one place that says what
-- `sale_status` means.
CREATE VIEW session_states AS
SELECT s.*,
       CASE
           WHEN s.status = 'cancelled' THEN 'cancelled'
           WHEN s.status = 'draft' THEN 'draft'
           WHEN now() < s.sale_opens_at THEN 'scheduled'
           WHEN now() >= s.sale_closes_at THEN 'closed'
           WHEN rest.available = 0 THEN 'sold_out'
           ELSE 'on_sale'
       END AS sale_status,
       rest.price_from
FROM sessions s
CROSS JOIN LATERAL (
    SELECT sum(greatest(0, least(a.capacity, a.capacity - a.taken))) AS available,
           min(a.price) AS price_from
    FROM areas a WHERE a.session_id = s.session_id
) AS rest;

CREATE TABLE idempotency_keys (
    user_id    uuid NOT NULL,
    route      text NOT NULL,
    key        text NOT NULL,
    body_hash  bytea NOT NULL,
    status     int NOT NULL,
    answer     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, route, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE inbox (
    event_id uuid PRIMARY KEY,
    taken_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE dead_letters (
    event_id     uuid PRIMARY KEY,
    event        jsonb NOT NULL,
    reason       text NOT NULL,
    attempts     int NOT NULL DEFAULT 1,
    first_failed timestamptz NOT NULL DEFAULT now(),
    last_failed  timestamptz NOT NULL DEFAULT now(),
    next_attempt timestamptz
);
