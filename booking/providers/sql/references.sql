-- Providers' ids of our payments and refunds.

-- name: note_reference!
-- The first value is final: the provider's id, or NULL for none.
INSERT INTO provider_references (provider, ours, theirs) VALUES (:provider, :ours, :theirs)
ON CONFLICT (provider, ours) DO NOTHING;

-- name: get_reference^
SELECT theirs FROM provider_references WHERE provider = :provider AND ours = :ours;
