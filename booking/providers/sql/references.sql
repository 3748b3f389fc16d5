-- Providers' ids of our payments and refunds.

-- name: note_reference!
-- The first value is final: the provider's id, or NULL for none.
INSERT INTO provider_references (provider, ours, theirs) VALUES (:provider, :ours, :theirs)
ON CONFLICT (provider, ours) DO NOTHING;

-- name: get_reference^
SELECT theirs FROM provider_references WHERE provider = :provider AND ours = :ours;

-- name: adopt_reference!
-- An id that the provider itself has listed, after a failover that lost it here. Somebody may have looked for
-- it in vain since and closed it: what has happened at the provider is stronger than that.
INSERT INTO provider_references (provider, ours, theirs) VALUES (:provider, :ours, :theirs)
ON CONFLICT (provider, ours) DO UPDATE SET theirs = EXCLUDED.theirs
WHERE provider_references.theirs IS NULL;
