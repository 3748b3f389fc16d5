"""Migrations may run beside a sale, and expands beside older code."""

from pathlib import Path

import pytest

from chassis.postgres.migration_files import Migration, read_migrations
from runtime.services import MIGRATIONS
from tests.architecture.online import offences

# Written before ADR 55: every installation of those days is long past them.
BEFORE = {"identity": 4, "catalog": 5, "booking": 13, "notification": 7, "sandbox": 2}


@pytest.mark.parametrize("schema", MIGRATIONS)
def test_new_migrations_can_run_while_the_platform_sells(schema: str) -> None:
    found = read_migrations(MIGRATIONS[schema])
    assert found[-1].number >= BEFORE[schema]  # else this test looks in the wrong place
    wrong = {one.name: offences(one) for one in found if one.number > BEFORE[schema]}
    assert {name: said for name, said in wrong.items() if said} == {}


@pytest.mark.parametrize("schema", MIGRATIONS)
def test_numbers_are_used_once(schema: str) -> None:
    numbers = [one.number for one in read_migrations(MIGRATIONS[schema])]
    assert len(set(numbers)) == len(numbers)


def written(folder: Path, text: str) -> Migration:
    (folder / "0099_next.sql").write_text(text, encoding="utf-8")
    (one,) = read_migrations(folder)
    return one


CONTRACT = "-- phase: contract\n"
ONLINE = "-- transaction: no\n"
FINE = [
    "CREATE TABLE x (a int PRIMARY KEY, b uuid REFERENCES o (id)); CREATE INDEX i ON x (b);",
    "ALTER TABLE t ADD COLUMN a text, ADD COLUMN b int NOT NULL DEFAULT -1;",
    "ALTER TABLE t ADD COLUMN a text[] NOT NULL DEFAULT '{}'::text[];",
    "ALTER TABLE t ADD COLUMN a timestamptz NOT NULL DEFAULT now();",
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID;",
    "ALTER TABLE t VALIDATE CONSTRAINT c;",
    "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0) NOT VALID;",
    "ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i;",
    "ALTER TABLE t ALTER COLUMN a DROP NOT NULL, ALTER COLUMN b SET DEFAULT 1;",
    "ALTER TABLE t SET (fillfactor = 70);",
    "INSERT INTO t (a) VALUES (1);",
    ONLINE + "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);",
    ONLINE + "DO $$ BEGIN LOOP UPDATE t SET a = 1; COMMIT; EXIT; END LOOP; END $$;",
    CONTRACT + "ALTER TABLE t DROP COLUMN a;",
    CONTRACT + "ALTER TABLE t RENAME COLUMN a TO b;",
    CONTRACT + "ALTER TABLE t ALTER COLUMN a DROP DEFAULT;",
    CONTRACT + "DROP TABLE t;",
    CONTRACT + ONLINE + "DROP INDEX CONCURRENTLY IF EXISTS i;",
]
WRONG = [
    ("ALTER TABLE t DROP CONSTRAINT c;", "only a contract drops"),
    ("ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT d CHECK (a > 0) NOT VALID;", "only a contract drops"),
    ("ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0);", "NOT VALID"),
    ("ALTER TABLE t ADD COLUMN a uuid DEFAULT gen_random_uuid();", "computed for each row"),
    ("ALTER TABLE t ADD COLUMN a float DEFAULT random();", "computed for each row"),
    ("ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (b + 1) STORED;", "computed value"),
    ("ALTER TABLE t ADD COLUMN a int CHECK (a > 0);", "with a constraint"),
    ("ALTER TABLE t ADD COLUMN a int UNIQUE;", "with a constraint"),
    ("ALTER TABLE t ADD COLUMN a int NOT NULL;", "older code"),
    ("CREATE INDEX i ON t (a);", "CONCURRENTLY"),
    ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);", "transaction: no"),
    (ONLINE + "CREATE INDEX CONCURRENTLY i ON t (a);", "IF NOT EXISTS"),
    (ONLINE + "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a); SELECT 1;", "one statement"),
    ("ALTER TABLE t ALTER COLUMN a SET NOT NULL;", "reads the whole table"),
    ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0);", "NOT VALID"),
    ("ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES o (id);", "NOT VALID"),
    ("ALTER TABLE t ADD CONSTRAINT c UNIQUE (a);", "NOT VALID"),
    ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID;"
     " ALTER TABLE t VALIDATE CONSTRAINT c;", "file of its own"),
    ("ALTER TABLE t ALTER COLUMN a TYPE bigint;", "writes the whole table"),
    (CONTRACT + "ALTER TABLE t ALTER COLUMN a TYPE bigint;", "writes the whole table"),
    (CONTRACT + "CREATE INDEX i ON t (a);", "CONCURRENTLY"),
    (CONTRACT + "DROP INDEX i;", "CONCURRENTLY"),
    ("ALTER TABLE t DROP COLUMN a;", "only a contract"),
    ("ALTER TABLE t DROP CONSTRAINT a;", "only a contract"),
    ("ALTER TABLE t RENAME COLUMN a TO b;", "only a contract"),
    ("ALTER TABLE t RENAME TO u;", "only a contract"),
    ("ALTER TABLE t ALTER COLUMN a DROP DEFAULT;", "only a contract"),
    ("DROP TABLE t;", "only a contract"),
    ("DROP FUNCTION f();", "only a contract"),
    ("UPDATE t SET a = 1;", "in batches"),
    ("DELETE FROM t;", "in batches"),
    ("LOCK TABLE t;", "not known"),
    ("VACUUM FULL t;", "not known"),
]  # fmt: skip


@pytest.mark.parametrize("text", FINE)
def test_what_holds_its_locks_for_an_instant_may_run(tmp_path: Path, text: str) -> None:
    assert offences(written(tmp_path, text)) == []


@pytest.mark.parametrize(("text", "because"), WRONG)
def test_what_others_would_wait_for_is_refused(tmp_path: Path, text: str, because: str) -> None:
    assert because in " ".join(offences(written(tmp_path, text)))
