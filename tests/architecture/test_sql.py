"""Every named query is PREPAREd against the migrated schema, and schemas keep to themselves."""

import re
from pathlib import Path

import aiosql
import asyncpg
import pytest

from chassis.postgres.migrations import migrate
from runtime.compose import SERVICES
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
    ("archive", "booking"),
    ("lead", "booking"),
    ("migrations", "booking"),
    ("idempotency", "booking"),
    ("idempotency", "catalog"),
    ("idempotency", "notification"),
    ("inbox", "catalog"),
    ("inbox", "notification"),
]


NOT_OF = {"identity": {"archive_delivered"}}  # what it tells is not worth replaying


async def prepare_all(source: Path, schema: str, database_url: str) -> None:
    connection = await asyncpg.connect(database_url, server_settings={"search_path": schema})
    queries = aiosql.from_path(source, "asyncpg", mandatory_parameters=False)
    names = [name for name in queries.available_queries if not name.endswith("_cursor")]
    names = [name for name in names if name not in NOT_OF.get(schema, ())]
    assert names, f"{source} has no query"
    try:
        for name in names:
            await connection.prepare(getattr(queries, name).sql)
    finally:
        await connection.close()


@pytest.mark.parametrize("folder", QUERIES, ids=lambda folder: str(folder.relative_to(ROOT)))
async def test_every_query_prepares_against_the_schema(folder: Path, database_url: str) -> None:
    if schema_of(folder) == "sandbox":  # the provider makes its own schema when it is opened
        await migrate(database_url, "sandbox", folder.parent / "migrations")
    await prepare_all(folder, schema_of(folder), database_url)


@pytest.mark.parametrize(("name", "schema"), SHARED)
async def test_shared_queries_prepare_in_every_schema_that_uses_them(
    name: str, schema: str, database_url: str
) -> None:
    (source,) = (ROOT / "chassis").rglob(f"sql/{name}.sql")
    await prepare_all(source, schema, database_url)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_no_sql_names_another_services_schema(folder: Path) -> None:
    others = [name for name in SERVICES if name != service_of(folder)]
    named = re.compile(rf"\b({'|'.join(others)})\.\w", re.IGNORECASE)
    for path in folder.glob("*.sql"):
        code = re.sub(r"--.*|'[^']*'", "", path.read_text(encoding="utf-8"))
        assert not named.search(code), f"{path} names {named.search(code)}"
