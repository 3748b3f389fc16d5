ALTER TABLE accounts VALIDATE CONSTRAINT accounts_roles_are_known;
