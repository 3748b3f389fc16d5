-- phase: contract
-- Older rows satisfied a stricter rule.
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_roles_are_known;
