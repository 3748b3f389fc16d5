"""`stampede dlq` as an operator meets it: what is there and why, back to its consumer, or away."""

from collections.abc import Callable
from uuid import UUID, uuid4

import asyncpg
import pytest
from click.testing import CliRunner, Result

from stampede.cli.main import stampede

Run = Callable[..., Result]
POISON = """INSERT INTO notification.dead_letters
    (event_id, event, reason, attempts, first_failed, last_failed, next_attempt)
    VALUES ($1, '{"type": "stampede.order.paid.v1", "subject": "a", "requestid": "r"}',
            'ValueError: no such currency', 8, '2026-08-15T11:00:00Z', '2026-08-15T11:10:00Z', NULL)"""


@pytest.fixture
async def letters(database_url: str) -> list[UUID]:
    ids = [uuid4(), uuid4()]
    connection = await asyncpg.connect(database_url)
    await connection.executemany(POISON, [(one,) for one in ids])
    await connection.close()
    return ids


@pytest.fixture
def dlq(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("STAMPEDE_DATABASE_URL", database_url)
    monkeypatch.setenv("STAMPEDE_REDIS_URL", redis_url)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(stampede, ["dlq", *map(str, arguments)])

    return run


def test_a_letter_is_listed_with_its_reason_and_its_failures_and_sent_back(
    dlq: Run, letters: list[UUID]
) -> None:
    listed = dlq("list").output
    assert f"dead     notification  {letters[0]} stampede.order.paid.v1 attempts=8" in listed
    assert "2026-08-15T11:00:00Z … 2026-08-15T11:10:00Z  ValueError: no such currency" in listed
    assert listed.endswith("2 dead letters\n")

    assert dlq("retry", letters[0]).output == "1 sent back\n"
    assert f"waiting  notification  {letters[0]}" in dlq("list").output
    assert dlq("purge", letters[0]).output == "1 thrown away\n"
    assert dlq("retry").output == "1 sent back\n"  # all that were given up
    assert dlq("purge", "--all").output == "0 thrown away\n"  # it waits for its attempt
    assert dlq("list").output.endswith("1 dead letters\n")


def test_what_is_no_letter_is_refused_in_one_sentence(dlq: Run, letters: list[UUID]) -> None:
    for command in ("retry", "purge"):
        done = dlq(command, uuid4())
        assert done.exit_code == 1
        assert "No dead letter has such an id" in done.output
        assert dlq(command, "not-an-id").exit_code == 2
    assert dlq("purge").exit_code == 1
    assert dlq("purge", letters[0], "--all").exit_code == 1
    assert dlq("list").output.endswith("2 dead letters\n")
