-- Somebody's orders are found in one period of four weeks after the other (docs/adr/0087, and the index in 0022).

-- The period in which an order was placed, counted from 2000-01-03.
CREATE FUNCTION order_period(moment timestamptz) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(date_part('epoch', moment - TIMESTAMPTZ '2000-01-03 00:00:00+00') / (28 * 86400))::int;

-- All periods from the newest order's to the oldest one's, by the two ends of the index.
CREATE FUNCTION order_periods() RETURNS SETOF int LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT generate_series(
        (SELECT order_period(created_at) FROM orders ORDER BY order_period(created_at) DESC LIMIT 1),
        (SELECT order_period(created_at) FROM orders ORDER BY order_period(created_at) LIMIT 1), -1)
$$;
