"""Every named query is PREPAREd against the migrated schema, and schemas keep to themselves."""

import re
from pathlib import Path

import aiosql
import asyncpg
import pytest

from runtime.services import MIGRATIONS, SERVICES
from tests.architecture.source import ROOT

FOLDERS = sorted({path.parent for room in SERVICES for path in (ROOT / room).rglob("*.sql")})
QUERIES = [folder for folder in FOLDERS if folder.name != "migrations"]


def service_of(folder: Path) -> str:
    return folder.relative_to(ROOT).parts[0]


def schema_of(folder: Path) -> str:
    return "sandbox" if "sandbox" in folder.parts else service_of(folder)


SHARED = [
    ("outbox", "booking"),
    ("outbox", "identity"),
    ("floor", "booking"),
    ("floor", "identity"),
    ("archive", "booking"),
    ("lead", "booking"),
    ("migrations", "booking"),
    ("pooler", "booking"),
    ("idempotency", "booking"),
    ("idempotency", "catalog"),
    ("idempotency", "notification"),
    ("inbox", "catalog"),
    ("inbox", "notification"),
]


NOT_OF = {"identity": {"archive_delivered"}}  # what it tells is not worth replaying


Columns = list[tuple[str, str]]


async def prepare_all(source: Path, schema: str, database_url: str) -> dict[str, Columns]:
    """What each query of a folder or file answers with."""
    connection = await asyncpg.connect(database_url, server_settings={"search_path": schema})
    queries = aiosql.from_path(source, "asyncpg", mandatory_parameters=False)
    names = [name for name in queries.available_queries if not name.endswith("_cursor")]
    names = [name for name in names if name not in NOT_OF.get(schema, ())]
    assert names, f"{source} has no query"
    try:
        prepared = {name: await connection.prepare(getattr(queries, name).sql) for name in names}
        return {
            name: [(column.name, column.type.name) for column in one.get_attributes()]
            for name, one in prepared.items()
        }
    finally:
        await connection.close()


@pytest.mark.parametrize("folder", QUERIES, ids=lambda folder: str(folder.relative_to(ROOT)))
async def test_every_query_prepares_against_the_schema(folder: Path, database_url: str) -> None:
    await prepare_all(folder, schema_of(folder), database_url)


@pytest.mark.parametrize(("name", "schema"), SHARED)
async def test_shared_queries_prepare_in_every_schema_that_uses_them(
    name: str, schema: str, database_url: str
) -> None:
    (source,) = (ROOT / "chassis").rglob(f"sql/{name}.sql")
    await prepare_all(source, schema, database_url)


async def test_a_new_column_changes_no_answer(database_url: str) -> None:
    """PostgreSQL refuses a prepared statement whose columns have changed, in the middle of a sale. So
    none answers with `*` of a table, and a migration may add columns while older code runs."""
    sources = [(folder, schema_of(folder)) for folder in QUERIES]
    sources += [(next((ROOT / "chassis").rglob(f"sql/{name}.sql")), of) for name, of in SHARED]
    before = [await prepare_all(source, schema, database_url) for source, schema in sources]
    db = await asyncpg.connect(database_url)
    tables = await db.fetch(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = ANY($1)",
        list(MIGRATIONS),
    )
    assert len(tables) > 40
    for (table,) in tables:
        await db.execute(f"ALTER TABLE {table} ADD COLUMN of_the_next_release text")
    await db.close()
    after = [await prepare_all(source, schema, database_url) for source, schema in sources]
    changed = [name for old, new in zip(before, after, strict=True)
               for name in old if old[name] != new[name]]  # fmt: skip
    assert changed == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_no_sql_names_another_services_schema(folder: Path) -> None:
    others = [name for name in SERVICES if name != service_of(folder)]
    named = re.compile(rf"\b({'|'.join(others)})\.\w", re.IGNORECASE)
    for path in folder.glob("*.sql"):
        code = re.sub(r"--.*|'[^']*'", "", path.read_text(encoding="utf-8"))
        assert not named.search(code), f"{path} names {named.search(code)}"
