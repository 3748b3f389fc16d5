-- Somebody's orders are found a week at a time (docs/adr/0087, and the index in 0022).

-- The beginning of the week in which an order was placed: Mondays, UTC.
CREATE FUNCTION order_week(moment timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN date_bin('7 days', moment, TIMESTAMPTZ '2000-01-03 00:00:00+00');

-- All weeks from the newest order's to the oldest one's, by the two ends of the index. In hours: a day of a time zone
-- may have 23 or 25 of them.
CREATE FUNCTION order_weeks() RETURNS timestamptz[] LANGUAGE sql STABLE PARALLEL SAFE
RETURN ARRAY(SELECT generate_series(
    (SELECT order_week(created_at) FROM orders ORDER BY order_week(created_at) DESC LIMIT 1),
    (SELECT order_week(created_at) FROM orders ORDER BY order_week(created_at) LIMIT 1), interval '-168 hours'));
