-- What providers call our payments and refunds.

-- name: note_reference!
-- The first to say decides: the other's name, or that there will be none.
INSERT INTO provider_references (provider, ours, theirs) VALUES (:provider, :ours, :theirs)
ON CONFLICT (provider, ours) DO NOTHING;

-- name: get_reference^
SELECT theirs FROM provider_references WHERE provider = :provider AND ours = :ours;
