-- Plans of halls, which venues keep.

-- name: insert_plan^
INSERT INTO plans (plan_id, venue_id, name, seats, document)
VALUES (:plan_id, :venue_id, :name, :seats, :document)
RETURNING plan_id, venue_id, name, seats, revision, created_at, changed_at;

-- name: count_plans$
SELECT count(*) FROM plans WHERE venue_id = :venue_id;

-- name: plans
-- One page of a venue's plans, without documents.
SELECT plan_id, venue_id, name, seats, revision, created_at, changed_at
FROM plans WHERE venue_id = :venue_id
ORDER BY name, plan_id LIMIT :limit OFFSET :offset;

-- name: plan^
SELECT plan_id, venue_id, name, seats, revision, created_at, changed_at, document
FROM plans WHERE plan_id = :plan_id;

-- name: maker_of_plan$
-- Who may change it: who created its venue.
SELECT v.created_by FROM plans p JOIN venues v USING (venue_id) WHERE p.plan_id = :plan_id;

-- name: lock_plan$
-- Its revision. Held until the transaction ends.
SELECT revision FROM plans WHERE plan_id = :plan_id FOR UPDATE;

-- name: replace_plan^
-- Lock it first.
UPDATE plans
SET name = :name, seats = :seats, document = :document, revision = revision + 1, changed_at = now()
WHERE plan_id = :plan_id
RETURNING plan_id, venue_id, name, seats, revision, created_at, changed_at;

-- name: delete_plan!
DELETE FROM plans WHERE plan_id = :plan_id;
