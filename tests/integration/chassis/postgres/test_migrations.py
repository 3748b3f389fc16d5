"""The migrator on a real server: phases, locks, and which code may start on which schema."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from chassis.concurrency.backoff import Backoff
from chassis.postgres.migration_files import MigrationError, Phase, read_migrations
from chassis.postgres.migrations import Patience, check_schema, migrate, pending
from tests.support.booking import until_one_waits

FIRST = "CREATE TABLE things (id int PRIMARY KEY, old text);"
EXPAND = "ALTER TABLE things ADD COLUMN new text NOT NULL DEFAULT '';"
CONTRACT = "-- phase: contract\nALTER TABLE things DROP COLUMN old;"
ONLINE = (
    "-- transaction: no\nCREATE INDEX CONCURRENTLY IF NOT EXISTS things_new_key ON things (new);"
)
QUICK = Patience(
    turn_s=0.3, lock_timeout_ms=100, tries_max=3, retry=Backoff(first_s=0.01, most_s=0.01)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A release with one migration."""
    write(tmp_path, "0001_first", FIRST)
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.sql").write_text(text, encoding="utf-8")


@asynccontextmanager
async def things(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    db = await asyncpg.connect(database_url, server_settings={"search_path": "scratch"})
    try:
        yield db
    finally:
        await db.close()


async def columns(database_url: str) -> set[str]:
    async with things(database_url) as db:
        rows = await db.fetch(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = 'scratch' AND table_name = 'things'"
        )
        return {row["column_name"] for row in rows}


async def test_expand_leaves_the_contract_for_later(database_url: str, folder: Path) -> None:
    write(folder, "0002_contract", CONTRACT)
    write(folder, "0003_expand", EXPAND)
    applied = await migrate(database_url, "scratch", folder, phase=Phase.EXPAND)
    assert applied == ["0001_first.sql", "0003_expand.sql"]
    assert await columns(database_url) == {"id", "old", "new"}
    await check_schema(database_url, "scratch", folder)  # the new code starts on it
    waiting = await pending(database_url, "scratch", folder)
    assert [one.name for one in waiting] == ["0002_contract.sql"]

    assert await migrate(database_url, "scratch", folder, phase=Phase.CONTRACT) == [
        "0002_contract.sql"
    ]
    assert await columns(database_url) == {"id", "new"}
    assert await migrate(database_url, "scratch", folder) == []


async def test_a_contract_is_refused_while_an_expand_is_missing(
    database_url: str, folder: Path
) -> None:
    await migrate(database_url, "scratch", folder)
    write(folder, "0002_expand", EXPAND)
    write(folder, "0003_contract", CONTRACT)
    with pytest.raises(MigrationError, match="--phase expand"):
        await migrate(database_url, "scratch", folder, phase=Phase.CONTRACT)
    assert await columns(database_url) == {"id", "old"}


async def test_looking_changes_nothing(database_url: str, folder: Path) -> None:
    waiting = await pending(database_url, "scratch", folder)
    assert [one.name for one in waiting] == ["0001_first.sql"]
    async with things(database_url) as db:
        assert await db.fetchval("SELECT to_regnamespace('scratch')") is None


async def test_code_does_not_start_on_a_schema_that_lacks_an_expand(
    database_url: str, folder: Path
) -> None:
    with pytest.raises(MigrationError, match=r"scratch is too old .* 0001_first.sql: run `stamp"):
        await check_schema(database_url, "scratch", folder)
    await migrate(database_url, "scratch", folder)
    await check_schema(database_url, "scratch", folder)


@pytest.mark.parametrize(
    ("contract", "starts"),
    [
        (CONTRACT, False),
        ("-- phase: contract\n-- needs: 0002\nDROP TABLE things;", False),
        ("-- phase: contract\n-- needs: 0001\nDROP TABLE things;", True),
        (EXPAND, True),
    ],
)
async def test_older_code_starts_unless_a_contract_has_passed_what_it_needs(
    database_url: str, folder: Path, tmp_path_factory: pytest.TempPathFactory, contract: str,
    starts: bool,
) -> None:  # fmt: skip
    newer = tmp_path_factory.mktemp("newer")
    write(newer, "0001_first", FIRST)
    write(newer, "0003_next", contract)
    await migrate(database_url, "scratch", newer)
    if starts:
        await check_schema(database_url, "scratch", folder)
    else:
        with pytest.raises(MigrationError, match=r"too new .* 0003_next.sql needs code .* at 0001"):
            await check_schema(database_url, "scratch", folder)
    await check_schema(database_url, "scratch", newer)


async def test_a_schema_from_before_phases_is_taken_as_expanded(
    database_url: str, folder: Path
) -> None:
    digest = read_migrations(folder)[0].digest
    async with things(database_url) as db:
        await db.execute("CREATE SCHEMA scratch")
        await db.execute(
            "CREATE TABLE migrations (name text PRIMARY KEY, digest text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        await db.execute("INSERT INTO migrations (name, digest) VALUES ($1, $2)", "0001_first.sql",
                         digest)  # fmt: skip
        await db.execute(FIRST)
    await check_schema(database_url, "scratch", folder)
    write(folder, "0002_contract", CONTRACT)
    assert await migrate(database_url, "scratch", folder) == ["0002_contract.sql"]
    async with things(database_url) as db:
        assert await db.fetchval("SELECT needs FROM migrations WHERE name LIKE '0002%'") == 2


async def test_a_changed_file_stops_the_migration_and_the_start(
    database_url: str, folder: Path
) -> None:
    await migrate(database_url, "scratch", folder)
    write(folder, "0001_first", FIRST + " ")
    for refused in (migrate, check_schema):
        with pytest.raises(MigrationError, match="was changed"):
            await refused(database_url, "scratch", folder)


async def test_statements_that_came_after_a_waiting_migration_pass_it(
    database_url: str, folder: Path
) -> None:
    """A reader holds the table. The migration waits for it, so a second reader waits behind the
    migration: but only until that lets go. It comes again and succeeds once the first has ended."""
    await migrate(database_url, "scratch", folder)
    write(folder, "0002_expand", EXPAND)
    async with things(database_url) as first, things(database_url) as second:
        holding = first.transaction()
        await holding.start()
        await first.fetch("SELECT * FROM things")
        patience = Patience(lock_timeout_ms=500, retry=Backoff(first_s=0.01, most_s=0.01))
        migrating = asyncio.create_task(migrate(database_url, "scratch", folder, patience=patience))
        await until_one_waits(database_url)
        await second.fetch("SELECT * FROM things")  # without the timeout, for ever
        assert not migrating.done()
        await holding.rollback()
        assert await migrating == ["0002_expand.sql"]


async def test_a_migration_that_never_gets_its_lock_says_so(
    database_url: str, folder: Path
) -> None:
    await migrate(database_url, "scratch", folder)
    write(folder, "0002_expand", EXPAND)
    async with things(database_url) as first, first.transaction():
        await first.fetch("SELECT * FROM things")
        with pytest.raises(MigrationError, match=r"0002_expand.sql did not get .* in 3 tries"):
            await migrate(database_url, "scratch", folder, patience=QUICK)
    assert await columns(database_url) == {"id", "old"}


async def test_of_two_migrators_the_second_waits_for_its_turn(
    database_url: str, folder: Path
) -> None:
    async with things(database_url) as other:
        await other.execute("SELECT pg_advisory_lock(7382001)")
        with pytest.raises(MigrationError, match="Another migration"):
            await migrate(database_url, "scratch", folder, patience=QUICK)
    both = await asyncio.gather(*(migrate(database_url, "scratch", folder) for _ in range(2)))
    assert sorted(both) == [[], ["0001_first.sql"]]


async def test_an_index_is_built_while_others_write(database_url: str, folder: Path) -> None:
    """The build waits for the writer's transaction, and a second writer does not wait for the build."""
    await migrate(database_url, "scratch", folder)
    write(folder, "0002_expand", EXPAND)
    await migrate(database_url, "scratch", folder)
    write(folder, "0003_index", ONLINE)
    async with things(database_url) as first, things(database_url) as second:
        writing = first.transaction()
        await writing.start()
        await first.execute("INSERT INTO things VALUES (1)")
        migrating = asyncio.create_task(migrate(database_url, "scratch", folder))
        await until_one_waits(database_url)
        await second.execute("INSERT INTO things VALUES (2)")
        await writing.commit()
        assert await migrating == ["0003_index.sql"]
        assert await second.fetchval(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_new_key'::regclass"
        )


async def test_an_index_that_was_cut_off_is_built_again(database_url: str, folder: Path) -> None:
    """IF NOT EXISTS alone would take the invalid one for the index."""
    await migrate(database_url, "scratch", folder)
    write(folder, "0002_expand", EXPAND)
    await migrate(database_url, "scratch", folder)
    async with things(database_url) as db:
        await db.execute("INSERT INTO things VALUES (1), (2)")
        with pytest.raises(asyncpg.UniqueViolationError):
            await db.execute("CREATE UNIQUE INDEX CONCURRENTLY things_new_key ON things (new)")
        write(folder, "0003_index", ONLINE)
        await migrate(database_url, "scratch", folder)
        assert await db.fetchval(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_new_key'::regclass"
        )


async def test_what_was_applied_before_a_failure_stays(database_url: str, folder: Path) -> None:
    write(folder, "0002_wrong", "ALTER TABLE nothing ADD COLUMN x int;")
    with pytest.raises(asyncpg.UndefinedTableError):
        await migrate(database_url, "scratch", folder)
    waiting = await pending(database_url, "scratch", folder)
    assert [one.name for one in waiting] == ["0002_wrong.sql"]
