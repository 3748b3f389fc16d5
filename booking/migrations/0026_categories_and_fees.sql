-- What an order's document may say of an item beyond its price (docs/adr/0094, 0095): `category`, `category_name`,
-- `proof`; `fees` that its buyer bears and `tax` in what is paid, lists of lines; `kept`, of the fees, what goes back
-- only if the session is cancelled; `costs`, fees that the organizer bears. `paid` has been what the buyer pays for it
-- in all: now with fees. Documents without any of these are what they were, and cost what they did.
CREATE OR REPLACE VIEW placed_items AS
SELECT o.order_id, i.seat_id, i.area_id, i.area, i.row, i.number, i.price, i.accessible, i.paid,
       i.category, i.category_name, i.proof, i.fees, i.tax, i.kept, i.costs
FROM orders o CROSS JOIN LATERAL (
    SELECT d.seat_id, d.area_id, d.area, d.row, d.number, d.price,
           CASE WHEN d.last_left THEN 'last_left' WHEN d.accessible THEN 'wanted' END AS accessible, d.paid,
           d.category, d.category_name, d.proof, d.fees, d.tax, coalesce(d.kept, 0) AS kept, d.costs
    FROM jsonb_to_recordset(o.items) AS d (seat_id int, area_id uuid, area text, "row" text, number int,
                                           price bigint, accessible boolean, last_left boolean, paid bigint,
                                           category text, category_name text, proof text, fees jsonb, tax jsonb,
                                           kept bigint, costs jsonb)
    UNION ALL
    SELECT old.seat_id, old.area_id, old.area, old.row, old.number, old.price, old.accessible, old.paid,
           NULL, NULL, NULL, NULL, NULL, 0, NULL
    FROM order_items old WHERE old.order_id = o.order_id AND o.items IS NULL
) AS i;

-- The sum of an item's lines. NULL where it has none, at no cost.
CREATE FUNCTION sum_of_lines(lines jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT sum((line ->> 'amount')::bigint)::bigint FROM jsonb_array_elements(lines) AS line);

-- Until 0018 an order's items are also written to order_items, for older releases. With fees more is paid than the price.
ALTER TABLE order_items
    DROP CONSTRAINT order_items_paid_within_price,
    ADD CONSTRAINT order_items_paid_within_price CHECK (paid >= 0) NOT VALID;
