-- What is done to identity's data, and undone.

-- name: age_keys!
UPDATE signing_keys SET signs_from = signs_from - make_interval(days => :days);
