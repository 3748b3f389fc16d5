"""Which of the driver's errors are a store that is away, which a statement undone, and which a defect."""

from collections.abc import Iterator

import asyncpg
import pytest

from chassis.postgres.pool import ROLLED_BACK, UNAVAILABLE

CLASSES_OF_A_STORE_AWAY = ("08", "53", "57", "58")
SESSION_ENDED_OR_STANDBY = {"25006", "25P03", "25P04", "40003"}
UNDONE = {"57014", "40001", "40P01"}


def every(kind: type[Exception]) -> Iterator[type[Exception]]:
    for one in kind.__subclasses__():
        yield one
        yield from every(one)


def by_sqlstate() -> dict[str, type[Exception]]:
    return {one.sqlstate: one for one in every(asyncpg.PostgresError) if one.sqlstate}  # type: ignore[attr-defined]


def test_every_error_of_a_store_that_is_away_is_unavailable() -> None:
    away = (
        {
            state
            for state in by_sqlstate()
            if state.startswith(CLASSES_OF_A_STORE_AWAY) or state in SESSION_ENDED_OR_STANDBY
        }
        - UNDONE
        - {"57000"}
    )  # the class itself, which nothing raises
    assert len(away) > 20
    assert {state for state, one in by_sqlstate().items() if issubclass(one, UNAVAILABLE)} == away


def test_what_is_undone_for_certain_is_told_apart() -> None:
    plan = asyncpg.InvalidCachedStatementError  # one of many errors with its state
    assert plan in ROLLED_BACK
    assert {one.sqlstate for one in ROLLED_BACK if one is not plan} == UNDONE
    assert not any(issubclass(one, UNAVAILABLE) for one in ROLLED_BACK)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError,
        asyncpg.TargetServerAttributeNotMatched,
        asyncpg.ProtocolError,
        asyncpg.InterfaceError,
        ConnectionRefusedError,
        TimeoutError,
    ],
)
def test_what_the_client_says_of_a_lost_server_is_unavailable(error: type[Exception]) -> None:
    assert issubclass(error, UNAVAILABLE)
