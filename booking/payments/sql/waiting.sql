-- What waits for a provider, for metrics. Counted by partial indexes, and not beyond :most.

-- name: waiting_money^
SELECT (SELECT count(*) FROM (SELECT 1 FROM payments WHERE state IN ('created', 'processing')
                              LIMIT :most) AS counted) AS unanswered,
       coalesce((SELECT extract(epoch FROM now() - min(created_at))
                 FROM (SELECT created_at FROM payments WHERE state IN ('created', 'processing')
                       LIMIT :most) AS waiting), 0)::float8 AS unanswered_s,
       (SELECT count(*) FROM (SELECT 1 FROM payments WHERE state = 'refund_due'
                              LIMIT :most) AS counted) AS returns_due,
       (SELECT count(*) FROM (SELECT 1 FROM refunds WHERE state IN ('approved', 'processing')
                              LIMIT :most) AS counted) AS refunds_due,
       coalesce((SELECT extract(epoch FROM now() - min(decided_at))
                 FROM (SELECT decided_at FROM refunds WHERE state IN ('approved', 'processing')
                       LIMIT :most) AS waiting), 0)::float8 AS refunds_due_s,
       (SELECT count(*) FROM (SELECT 1 FROM refunds WHERE state = 'failed'
                              LIMIT :most) AS counted) AS refunds_failed;
