"""The operator puts people on doors from the command line."""

import asyncio
import contextlib
from typing import Any
from uuid import UUID, uuid4

from click.testing import CliRunner

from stampede.cli.main import stampede
from tests.support.api import PASSWORD
from tests.support.booking import booking_tables


async def test_an_operator_says_at_which_doors_somebody_stands(
    database_url: str, redis_url: str
) -> None:
    environ = {"STAMPEDE_DATABASE_URL": database_url, "STAMPEDE_REDIS_URL": redis_url}

    async def run(*words: str) -> Any:
        with contextlib.chdir("/"):
            return await asyncio.to_thread(CliRunner().invoke, stampede, words, env=environ)

    async def doors(user_id: str) -> tuple[bool, set[UUID]]:
        async with booking_tables(database_url) as tables:
            house = await tables.fetchval(
                "SELECT count(*) FROM house_staff WHERE user_id = $1", UUID(user_id)
            )
            rows = await tables.fetch(
                "SELECT session_id FROM door_staff WHERE user_id = $1", UUID(user_id)
            )
        return bool(house), {row["session_id"] for row in rows}

    def create(email: str) -> tuple[str, ...]:
        return ("user", "create", "--email", email, "--password", PASSWORD, "--role")

    one, other = uuid4(), uuid4()
    made = await run(*create("a@example.com"), "staff")
    everywhere = made.output.strip().splitlines()[-1]
    assert await doors(everywhere) == (True, set())
    made = await run(*create("b@example.com"), "staff", "--session", str(one))
    named = made.output.strip().splitlines()[-1]
    assert await doors(named) == (False, {one})
    assert (await run("user", "door", named, "--session", str(other))).exit_code == 0
    assert await doors(named) == (False, {one, other})
    assert (await run("user", "door", everywhere, "--only-named")).exit_code == 0
    assert await doors(everywhere) == (False, set())
    assert (await run("user", "door", everywhere)).exit_code == 1
    refused = await run(*create("c@example.com"), "customer", "--session", str(one))
    assert refused.exit_code == 1
    grant = ("user", "create", "--email", "a@example.com", "--password", "another one", "--role")
    refused = await run(*grant, "admin")
    assert refused.exit_code == 1
    assert "--existing" in refused.output
    assert (await run(*grant, "admin", "--existing")).exit_code == 0
