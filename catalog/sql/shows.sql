-- Shows and venues.

-- name: insert_venue!
INSERT INTO venues (venue_id, name, city, address, time_zone, created_by)
VALUES (:venue_id, :name, :city, :address, :time_zone, :created_by);

-- name: lock_venues_of!
-- One organizer's venues are added one after the other, so that they can be counted.
SELECT pg_advisory_xact_lock(7384, hashtext(:organizer_id));

-- name: count_venues_of$
SELECT count(*) FROM venues WHERE created_by = :organizer_id;

-- name: venue_for_use^
-- For writing values derived from the venue (a show's search text, a session's day): it cannot change or be
-- deleted until the transaction ends. Locks are taken in the order shows, sessions, venue.
SELECT venue_id, name, city, address, time_zone FROM venues WHERE venue_id = :venue_id FOR SHARE;

-- name: maker_of_venue$
SELECT created_by FROM venues WHERE venue_id = :venue_id;

-- name: lock_shows_at_venue
SELECT show_id FROM shows WHERE venue_id = :venue_id ORDER BY show_id FOR UPDATE;

-- name: lock_drafts_at_venue
SELECT s.session_id, s.starts_at FROM sessions s JOIN shows sh USING (show_id)
WHERE sh.venue_id = :venue_id AND s.status = 'draft'
ORDER BY s.session_id FOR UPDATE OF s;

-- name: lock_venue^
SELECT venue_id, name, city, address, time_zone FROM venues WHERE venue_id = :venue_id FOR UPDATE;

-- name: was_published_at$
-- True if any session at the venue was ever published.
SELECT EXISTS (SELECT FROM sessions s JOIN shows sh USING (show_id)
               WHERE sh.venue_id = :venue_id AND s.status <> 'draft');

-- name: is_used$
SELECT EXISTS (SELECT FROM shows WHERE venue_id = :venue_id);

-- name: update_venue!
UPDATE venues SET name = :name, city = :city, address = :address, time_zone = :time_zone
WHERE venue_id = :venue_id;

-- name: delete_venue!
DELETE FROM venues WHERE venue_id = :venue_id;

-- name: rename_venue_in_shows!
-- A show's search text has its venue's city and name in the second and third line (see
-- catalog.organizing). The rest stays unchanged.
UPDATE shows
SET city_key = :city_key, changed_at = now(),
    search_text = split_part(search_text, E'\n', 1) || E'\n' || :city_key::text || E'\n'
        || :name_key::text || substring(search_text FROM '^[^\n]*\n[^\n]*\n[^\n]*(.*)$')
WHERE venue_id = :venue_id;

-- name: move_days!
-- The local day of drafts, in their venue's new time zone.
UPDATE sessions s SET local_date = moved.day
FROM unnest(:session_ids::uuid[], :days::date[]) AS moved (session_id, day)
WHERE s.session_id = moved.session_id AND s.status = 'draft';

-- name: venues
-- One page of venues.
SELECT venue_id, name, city, address, time_zone
FROM venues WHERE NOT is_rehearsal(venue_id)
ORDER BY name, venue_id LIMIT :limit OFFSET :offset;

-- name: count_venues$
SELECT count(*) FROM venues WHERE NOT is_rehearsal(venue_id);

-- name: insert_show!
INSERT INTO shows (show_id, organizer_id, venue_id, title, category, description, poster_url,
                   city_key, category_key, search_text)
VALUES (:show_id, :organizer_id, :venue_id, :title, :category, :description, :poster_url,
        :city_key, :category_key, :search_text);

-- name: lock_show^
-- Held until the transaction ends, so that decisions by its sessions (may the venue change? may the show be
-- deleted?) stay true. FOR UPDATE waits for a session that is being added: its foreign key holds the row
-- FOR KEY SHARE.
SELECT show_id, organizer_id, venue_id, title, category, description, poster_url
FROM shows WHERE show_id = :show_id FOR UPDATE;

-- name: update_show!
UPDATE shows
SET title = :title, category = :category, description = :description, poster_url = :poster_url,
    venue_id = :venue_id, city_key = :city_key, category_key = :category_key,
    search_text = :search_text, changed_at = now()
WHERE show_id = :show_id;

-- name: delete_show!
DELETE FROM shows WHERE show_id = :show_id;

-- name: show^
-- One show with its venue. The caller decides by its sessions who may see it.
SELECT sh.show_id, sh.organizer_id, sh.title, sh.category, sh.description, sh.poster_url,
       v.venue_id, v.name AS venue, v.city, v.address, v.time_zone,
       sh.refundable, sh.refund_until_hours, sh.refund_fee_kind, sh.refund_fee, sh.refund_approval
FROM shows sh JOIN venues v USING (venue_id)
WHERE sh.show_id = :show_id;

-- name: set_refund_policy!
UPDATE shows
SET refundable = :refundable, refund_until_hours = :until_hours, refund_fee_kind = :fee_kind,
    refund_fee = :fee, refund_approval = :approval, changed_at = now()
WHERE show_id = :show_id;
-- name: show_terms^
-- For other services: its owner, and the currencies of its sessions.
SELECT sh.show_id, sh.organizer_id, sh.title, ARRAY(
    SELECT DISTINCT s.currency FROM sessions s WHERE s.show_id = sh.show_id ORDER BY 1) AS currencies
FROM shows sh WHERE sh.show_id = :show_id;

-- name: search_shows
-- Matching shows: published ones, or all shows of an organizer if one is given; and the total number.
-- The total has a row of its own, so that it is also there for a page after the last one.
-- position() instead of LIKE, so that % and _ are ordinary characters.
WITH found AS MATERIALIZED (
    SELECT sh.show_id, sh.title, run.next_date
    FROM shows sh
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE s.status = 'published') AS published,
               min(s.starts_at) FILTER (WHERE s.status = 'published' AND s.starts_at > now())
                   AS next_date,
               count(*) FILTER (
                   WHERE (s.status = 'published' OR :organizer_id::uuid IS NOT NULL)
                   AND (:from_time::timestamptz IS NULL OR s.starts_at >= :from_time)
                   AND (:to_time::timestamptz IS NULL OR s.starts_at <= :to_time)
                   AND (:from_day::date IS NULL OR s.local_date >= :from_day)
                   AND (:to_day::date IS NULL OR s.local_date <= :to_day)) AS in_time
        FROM sessions s WHERE s.show_id = sh.show_id
    ) AS run
    WHERE CASE WHEN :organizer_id IS NULL THEN run.published > 0
               ELSE sh.organizer_id = :organizer_id END
      AND NOT is_rehearsal(sh.show_id)
      AND (run.in_time > 0 OR NOT :timed::boolean)
      AND (:city_key::text IS NULL OR sh.city_key = :city_key)
      AND (:category_key::text IS NULL OR sh.category_key = :category_key)
      AND NOT EXISTS (
          SELECT FROM unnest(:words::text[]) AS word WHERE position(word IN sh.search_text) = 0)
)
SELECT whole.total, page.*
FROM (SELECT count(*) AS total FROM found) AS whole
LEFT JOIN LATERAL (
    SELECT sh.show_id, sh.title, sh.category, sh.poster_url, v.city, v.name AS venue, v.time_zone,
           few.next_date, sales.*
    FROM (SELECT * FROM found
          ORDER BY next_date NULLS LAST, title, show_id LIMIT :limit OFFSET :offset) AS few
    JOIN shows sh USING (show_id)
    JOIN venues v USING (venue_id)
    CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT st.sale_status) AS sale_statuses,
               (array_agg(from_.price ORDER BY from_.price, st.session_id)
                   FILTER (WHERE st.status = 'published'))[1] AS price_from,
               (array_agg(st.currency ORDER BY from_.price, st.session_id)
                   FILTER (WHERE st.status = 'published'))[1] AS currency,
               min(st.sale_opens_at) FILTER (WHERE st.sale_status = 'scheduled') AS sale_opens_at,
               max(st.sale_closes_at) FILTER (WHERE st.sale_status IN ('on_sale', 'sold_out'))
                   AS sale_closes_at
        FROM session_states st LEFT JOIN session_prices p USING (session_id)
        CROSS JOIN LATERAL (SELECT coalesce(p.price_from, st.price_from) AS price) AS from_
        WHERE st.show_id = sh.show_id
    ) AS sales
) AS page ON true
ORDER BY page.next_date NULLS LAST, page.title, page.show_id;
