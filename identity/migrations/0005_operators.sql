-- phase: contract
-- The role `operator`: whoever runs the platform on the night of a sale. Code from before would read it in no token,
-- so it can be given once that code has ended.
ALTER TABLE accounts DROP CONSTRAINT accounts_roles_are_known;
ALTER TABLE accounts ADD CONSTRAINT accounts_roles_are_known CHECK (
    cardinality(roles) > 0
    AND roles <@ ARRAY['customer', 'organizer', 'staff', 'operator', 'admin']
) NOT VALID;
