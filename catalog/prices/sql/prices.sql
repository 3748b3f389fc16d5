-- Sessions' price sheets.

-- name: read_sheet$
SELECT sheet::text FROM session_prices WHERE session_id = :session_id;

-- name: keep_sheet!
INSERT INTO session_prices (session_id, sheet, price_from) VALUES (:session_id, :sheet, :price_from)
ON CONFLICT (session_id) DO UPDATE SET sheet = EXCLUDED.sheet, price_from = EXCLUDED.price_from;

-- name: delete_sheet!
DELETE FROM session_prices WHERE session_id = :session_id;
