-- A shadow of a session, with venue and show of its own. What is copied is only read.

-- name: source^
-- The session to rehearse.
SELECT st.session_id, st.status, st.sale_status, sh.title, v.name AS venue, st.max_tickets_per_user,
       (SELECT sum(a.capacity) FROM areas a WHERE a.session_id = st.session_id)::bigint AS seats
FROM session_states st JOIN shows sh USING (show_id) JOIN venues v USING (venue_id)
WHERE st.session_id = :session_id;

-- name: copy_venue!
INSERT INTO venues (venue_id, name, city, address, time_zone, created_by)
SELECT :venue_id, v.name, v.city, v.address, v.time_zone, :owner
FROM sessions s JOIN shows sh USING (show_id) JOIN venues v USING (venue_id)
WHERE s.session_id = :source;

-- name: copy_show!
-- The description says which rehearsal it is, for whoever has to clean up behind one that was killed.
INSERT INTO shows (show_id, organizer_id, venue_id, title, category, description, poster_url, city_key,
                   category_key, search_text, refundable, refund_until_hours, refund_fee_kind, refund_fee,
                   refund_approval)
SELECT :show_id, :owner, :venue_id, sh.title, sh.category, :manifest, sh.poster_url, sh.city_key,
       sh.category_key, sh.search_text, sh.refundable, sh.refund_until_hours, sh.refund_fee_kind,
       sh.refund_fee, sh.refund_approval
FROM sessions s JOIN shows sh USING (show_id) WHERE s.session_id = :source;

-- name: copy_session$
-- Open for as long as the original. Returns when it opens, by this database's clock.
INSERT INTO sessions (session_id, show_id, starts_at, local_date, sale_opens_at, sale_closes_at, currency,
                      max_tickets_per_user, refuse_single_seats, hall)
SELECT :session_id, :show_id, s.starts_at, s.local_date, opening.at,
       opening.at + (s.sale_closes_at - s.sale_opens_at), s.currency, s.max_tickets_per_user,
       s.refuse_single_seats, s.hall
FROM sessions s, (SELECT now() + make_interval(secs => :opens_in_s) AS at) AS opening
WHERE s.session_id = :source
RETURNING extract(epoch FROM sale_opens_at)::float8;

-- name: copy_areas
-- `blocked`: the seats that the organizer keeps back; they count as taken from the start, as those do that the
-- plan keeps from sale.
INSERT INTO areas (area_id, session_id, place, name, kind, price, capacity, first_seat_id, last_seat_id,
                   plan, geometry, level, entrance, kept, taken)
SELECT given.area_id, :session_id, a.place, a.name, a.kind, a.price, a.capacity, a.first_seat_id,
       a.last_seat_id, a.plan, a.geometry, a.level, a.entrance, a.kept,
       a.kept + (SELECT count(*) FROM unnest(:blocked::int[]) AS b (seat_id)
        WHERE b.seat_id BETWEEN a.first_seat_id AND a.last_seat_id)
FROM (SELECT *, row_number() OVER (ORDER BY place) AS number FROM areas WHERE session_id = :source) AS a
JOIN unnest(:area_ids::uuid[]) WITH ORDINALITY AS given (area_id, number) USING (number)
ORDER BY a.place
RETURNING area_id, capacity - taken AS capacity;

-- name: copy_prices!
INSERT INTO session_prices (session_id, sheet, price_from)
SELECT :session_id, sheet, price_from FROM session_prices WHERE session_id = :source;

-- name: count_areas$
SELECT count(*) FROM areas WHERE session_id = :session_id;

-- name: publish_shadow!
UPDATE sessions SET status = 'published', published_at = now()
WHERE session_id = :session_id AND status = 'draft';

-- name: shadows
-- Of this rehearsal and of those that were killed.
SELECT s.session_id, sh.show_id, sh.venue_id, sh.description AS manifest, sh.created_at
FROM shows sh JOIN sessions s USING (show_id)
WHERE is_rehearsal(sh.show_id) ORDER BY sh.show_id;

-- name: delete_areas!
DELETE FROM areas WHERE session_id = :session_id AND is_rehearsal(session_id);

-- name: delete_session!
DELETE FROM sessions WHERE session_id = :session_id AND is_rehearsal(session_id);

-- name: delete_show!
DELETE FROM shows WHERE show_id = :show_id AND is_rehearsal(show_id);

-- name: delete_venue!
DELETE FROM venues WHERE venue_id = :venue_id AND is_rehearsal(venue_id);

-- name: count_taken$
SELECT count(*) FROM inbox WHERE event_id = ANY(:event_ids::uuid[]);

-- name: forget_events!
DELETE FROM inbox WHERE event_id = ANY(:event_ids::uuid[]);

-- name: forget_failed_events!
DELETE FROM dead_letters WHERE event_id = ANY(:event_ids::uuid[]);
