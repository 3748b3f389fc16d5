-- What has been delivered, for `stampede replay`: the relay moves rows here from the outbox, in the
-- statement that deletes them there.
--
-- A ring of days. An event's day number modulo 32 is its partition, so that forgetting a day is one
-- TRUNCATE of a table nobody writes to, whatever was sold on it, and no table is ever made or dropped.

CREATE TABLE event_archive (
    slot       smallint    NOT NULL,
    position   bigint      NOT NULL,
    event_id   uuid        NOT NULL,
    type       text        NOT NULL,
    subject    text        NOT NULL,
    request_id text        NOT NULL,
    data       jsonb       NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT event_archive_each_once PRIMARY KEY (slot, position)
) PARTITION BY LIST (slot);

CREATE FUNCTION archive_slot(moment timestamptz) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (((moment AT TIME ZONE 'UTC')::date - DATE '2000-01-01') % 32)::smallint;

DO $$
BEGIN
    FOR slot IN 0..31 LOOP
        EXECUTE format('CREATE TABLE event_archive_%s PARTITION OF event_archive FOR VALUES IN (%s)',
                       to_char(slot, 'FM00'), slot);
    END LOOP;
END
$$;

-- Empties the days that ended before that of `horizon`; how many there were.
CREATE FUNCTION forget_archived(horizon timestamptz) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    forgotten int := 0;
    day       text;
    newest    timestamptz;
BEGIN
    SET LOCAL lock_timeout = '1s';
    FOR slot IN 0..31 LOOP
        day := format('event_archive_%s', to_char(slot, 'FM00'));
        -- of a day's rows the last one tells when it was
        EXECUTE format('SELECT created_at FROM %I ORDER BY position DESC LIMIT 1', day) INTO newest;
        CONTINUE WHEN newest IS NULL OR newest >= date_trunc('day', horizon, 'UTC');
        EXECUTE format('TRUNCATE %I', day);
        forgotten := forgotten + 1;
    END LOOP;
    RETURN forgotten;
END
$$;
