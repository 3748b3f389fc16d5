-- Promo codes: created and changed by organizers, used by orders, released when these end.

-- name: insert_promo_code^
INSERT INTO promo_codes (promo_code_id, show_id, code, kind, value, currency, max_uses,
                         max_uses_per_user, valid_from, valid_until)
VALUES (:promo_code_id, :show_id, :code, :kind, :value, :currency, :max_uses,
        :max_uses_per_user, :valid_from, :valid_until)
RETURNING promo_code_id, show_id, code, kind, value, currency, max_uses, max_uses_per_user, valid_from, valid_until,
    active, uses, created_at;

-- name: list_promo_codes
SELECT promo_code_id, show_id, code, kind, value, currency, max_uses, max_uses_per_user, valid_from, valid_until,
    active, uses, created_at
FROM promo_codes WHERE show_id = :show_id
ORDER BY created_at DESC, promo_code_id DESC LIMIT :limit OFFSET :offset;

-- name: count_promo_codes$
SELECT count(*) FROM promo_codes WHERE show_id = :show_id;

-- name: promo_code_show$
SELECT show_id FROM promo_codes WHERE promo_code_id = :promo_code_id;

-- name: lock_promo_code^
SELECT promo_code_id, show_id, code, kind, value, currency, max_uses, max_uses_per_user, valid_from, valid_until,
    active, uses, created_at
FROM promo_codes WHERE promo_code_id = :promo_code_id FOR UPDATE;

-- name: change_promo_code^
UPDATE promo_codes SET active = :active, max_uses = :max_uses,
    max_uses_per_user = :max_uses_per_user, valid_from = :valid_from, valid_until = :valid_until
WHERE promo_code_id = :promo_code_id RETURNING promo_code_id, show_id, code, kind, value, currency, max_uses, max_uses_per_user, valid_from, valid_until,
    active, uses, created_at;

-- name: find_promo_code^
-- Not locked: a code's discount never changes, and redeem_promo_code checks the rest again.
SELECT promo_code_id, show_id, code, kind, value, currency, max_uses, max_uses_per_user, valid_from, valid_until,
    active, uses, created_at
FROM promo_codes WHERE show_id = :show_id AND code = :code;

-- name: redeem_promo_code$
-- Compare-and-set, last in the order's transaction, so that orders with the same code wait for each other
-- only from here to the commit. NULL: not active, or outside its window by PostgreSQL's clock. The
-- constraints promo_codes_within_uses and promo_tallies_within_cap decide about the last use.
WITH used AS (
    UPDATE promo_codes SET uses = uses + 1
    WHERE promo_code_id = :promo_code_id AND active
      AND (valid_from IS NULL OR valid_from <= now())
      AND (valid_until IS NULL OR now() < valid_until)
    RETURNING promo_code_id, code, max_uses_per_user
), tallied AS (
    INSERT INTO promo_tallies AS tally (promo_code_id, user_id, uses, cap)
    SELECT promo_code_id, :user_id, 1, max_uses_per_user FROM used
    ON CONFLICT (promo_code_id, user_id) DO UPDATE SET uses = tally.uses + 1, cap = EXCLUDED.cap
), noted AS (
    INSERT INTO promo_redemptions (order_id, promo_code_id, user_id, code, discount)
    SELECT :order_id, promo_code_id, :user_id, code, :discount FROM used
)
SELECT promo_code_id FROM used;

-- name: retake_redemption$
-- A late payment revives an ended order: its use counts again if the code has uses left. If not, the order
-- keeps its price and the use stays released. NULL then, and for an order without a code.
WITH ended AS MATERIALIZED (
    SELECT r.order_id, c.promo_code_id, r.user_id
    FROM promo_redemptions r JOIN promo_codes c USING (promo_code_id)
    WHERE r.order_id = :order_id AND r.released_at IS NOT NULL
      AND (c.max_uses IS NULL OR c.uses < c.max_uses) FOR UPDATE OF r, c
), counted AS (
    UPDATE promo_tallies t SET uses = t.uses + 1 FROM ended e
    WHERE t.promo_code_id = e.promo_code_id AND t.user_id = e.user_id
      AND (t.cap IS NULL OR t.uses < t.cap)
    RETURNING t.promo_code_id
), used AS (
    UPDATE promo_codes c SET uses = c.uses + 1 FROM counted
    WHERE c.promo_code_id = counted.promo_code_id
)
UPDATE promo_redemptions r SET released_at = NULL
FROM counted WHERE r.order_id = :order_id RETURNING r.order_id;

-- name: release_redemptions!
-- Releases the uses of ended orders, once. Locks codes in ascending order, and a user's tally after its
-- code, as redeem_promo_code does.
WITH ended AS (
    UPDATE promo_redemptions SET released_at = now()
    WHERE order_id = ANY(:orders::uuid[]) AND released_at IS NULL
    RETURNING promo_code_id, user_id
), codes AS MATERIALIZED (
    SELECT c.promo_code_id FROM promo_codes c
    WHERE c.promo_code_id IN (SELECT promo_code_id FROM ended)
    ORDER BY c.promo_code_id FOR UPDATE OF c
), returned AS (
    UPDATE promo_codes c SET uses = c.uses - e.uses
    FROM (SELECT promo_code_id, count(*) AS uses FROM ended JOIN codes USING (promo_code_id)
          GROUP BY promo_code_id) AS e
    WHERE c.promo_code_id = e.promo_code_id RETURNING c.promo_code_id
)
UPDATE promo_tallies t SET uses = t.uses - e.uses
FROM (SELECT promo_code_id, user_id, count(*) AS uses FROM ended JOIN returned USING (promo_code_id)
      GROUP BY promo_code_id, user_id) AS e
WHERE t.promo_code_id = e.promo_code_id AND t.user_id = e.user_id;

-- name: lock_promo_misses!
-- Taken before a code is judged, valid or not: codes of one user and codes from one address are judged one
-- after the other, so parallel guesses have no advantage. Always in this order. A statement of its own, since
-- a statement that waits for a lock sees the rows as they were when it began.
SELECT pg_advisory_xact_lock(hashtextextended('promo misses of ' || :user_id::uuid::text, 7382)),
       pg_advisory_xact_lock(hashtextextended('promo misses from ' || :address::text, 7382));

-- name: promo_refused_for_s$
-- Seconds until user and address are both below their limits; NULL if they are now.
SELECT extract(epoch FROM greatest(
    (SELECT missed_at FROM promo_misses
     WHERE user_id = :user_id AND missed_at > now() - :within::interval
     ORDER BY missed_at DESC OFFSET :user_max::int - 1 LIMIT 1),
    (SELECT missed_at FROM promo_misses
     WHERE address = :address::text AND missed_at > now() - :within::interval
     ORDER BY missed_at DESC OFFSET :address_max::int - 1 LIMIT 1)
) + :within::interval - now())::float8;

-- name: insert_promo_miss!
-- Also deletes the user's misses that are too old to count.
WITH forgotten AS (
    DELETE FROM promo_misses WHERE user_id = :user_id AND missed_at <= now() - :within::interval
)
INSERT INTO promo_misses (user_id, address) VALUES (:user_id, :address);

-- name: prune_promo_misses!
DELETE FROM promo_misses WHERE missed_at <= now() - :within::interval;
