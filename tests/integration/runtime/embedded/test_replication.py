"""A PostgreSQL primary and its standby from the wheel: killed, promoted, turned back, started again."""

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from runtime.embedded import EmbeddedError, running_urls
from runtime.embedded.replication import HALF_COPIED
from tests.support.servers import eventually
from tests.support.standby import Pair, ask, connected, running_pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


async def noted(pair: Pair) -> list[int]:
    async with connected(pair.primary_url) as db:
        return [row["n"] for row in await db.fetch("SELECT n FROM notes ORDER BY n")]


async def note(url: str, number: int) -> None:
    await ask(url, "CREATE TABLE IF NOT EXISTS notes (n int)")
    await ask(url, f"INSERT INTO notes VALUES ({number})")


async def in_recovery(url: str) -> Any:
    return await ask(url, "SELECT pg_is_in_recovery()")


async def test_what_was_committed_is_there_when_the_primary_is_killed_and_its_standby_promoted(
    pair: Pair,
) -> None:
    assert running_urls(pair.directory) is not None
    await note(pair.primary_url, 1)
    pair.kill_primary()
    pair.poll()
    assert pair.primary not in pair.pids
    pair.promote()
    await note(pair.primary_url, 2)  # it waits for nobody
    assert (pair.primary, await noted(pair)) == ("two", [1, 2])


async def test_a_commit_waits_for_the_standby_and_is_released_when_it_comes_back(
    pair: Pair,
) -> None:
    pair.kill(pair.standby)
    commit = asyncio.create_task(note(pair.primary_url, 1))
    await pair.commits_waiting(1)
    assert not commit.done()
    pair.restart(pair.standby)
    await asyncio.wait_for(commit, 20)


async def test_a_killed_primary_follows_the_new_one_without_what_only_it_had(pair: Pair) -> None:
    """What it wrote while the standby was cut off was never acknowledged."""
    await note(pair.primary_url, 1)
    with pair.standby_cut_off():
        async with connected(pair.primary_url) as db:
            await db.execute("SET synchronous_commit = local")
            await db.execute("INSERT INTO notes VALUES (99)")
        pair.kill_primary()
    pair.promote()
    await note(pair.primary_url, 2)
    pair.rejoin()
    assert await in_recovery(pair.standby_url)
    await pair.caught_up()
    assert await ask(pair.standby_url, "SELECT array_agg(n ORDER BY n) FROM notes") == [1, 2]
    assert await ask(pair.primary_url, "SHOW synchronous_standby_names") == "ANY 1 (one)"


async def test_an_old_primary_without_its_files_is_copied_anew(pair: Pair) -> None:
    await note(pair.primary_url, 1)
    pair.kill_primary()
    pair.promote()
    shutil.rmtree(pair.folder_of("one") / "pg_wal")
    pair.rejoin()
    await note(pair.primary_url, 2)
    pair.kill_primary()
    pair.promote()
    assert (pair.primary, await noted(pair)) == ("one", [1, 2])


async def test_a_running_primary_is_stopped_before_its_standby_is_promoted(pair: Pair) -> None:
    await note(pair.primary_url, 1)
    pair.promote()
    pair.poll()
    assert list(pair.pids) == ["two"]
    with pytest.raises(OSError):
        await asyncpg.connect(pair.url_of("one"))
    assert await noted(pair) == [1]


@pytest.mark.parametrize("rejoined", [True, False])
async def test_a_stopped_pair_starts_again_with_the_promoted_server_as_the_primary(
    pair: Pair, rejoined: bool
) -> None:
    await note(pair.primary_url, 1)
    pair.kill_primary()
    pair.promote()
    await note(pair.primary_url, 2)
    if rejoined:
        pair.rejoin()
    pair.stop()
    again = Pair(pair.directory)
    try:
        assert again.start() == pair.url
        assert again.primary == "two"
        await note(again.primary_url, 3)
        assert await noted(again) == [1, 2, 3]
        assert await in_recovery(again.standby_url)
    finally:
        again.stop()


async def test_a_copy_that_was_interrupted_is_made_anew(pair: Pair) -> None:
    """What it left looks like a primary of the same age."""
    await note(pair.primary_url, 1)
    pair.promote()
    pair.rejoin()
    pair.stop()
    (pair.directory / "one" / HALF_COPIED).touch()
    (pair.folder_of("one") / "standby.signal").unlink()
    (pair.folder_of("one") / "global" / "pg_control").unlink()
    pair.start()
    assert (pair.primary, await noted(pair)) == ("two", [1])
    assert await in_recovery(pair.standby_url)
    pair.kill_primary()
    pair.promote()  # its copy was of a primary that waits: for this very server
    await asyncio.wait_for(note(pair.primary_url, 2), 20)


async def test_a_primary_that_died_by_itself_is_started_again_and_not_replaced(pair: Pair) -> None:
    await note(pair.primary_url, 1)
    died = pair.pids["one"]
    os.kill(died, signal.SIGKILL)
    assert eventually(lambda: "one" not in pair.pids)

    def is_back() -> bool:
        pair.poll()
        return "one" in pair.pids and pair.answers("one")

    assert eventually(is_back)
    await note(pair.primary_url, 2)
    assert (pair.primary, await noted(pair)) == ("one", [1, 2])


def test_a_pair_whose_primary_is_missing_says_so(pair: Pair) -> None:
    pair.stop()
    shutil.rmtree(pair.folder_of("one"))
    with pytest.raises(EmbeddedError, match="a standby but no primary"):
        Pair(pair.directory).start()
