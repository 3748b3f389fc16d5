"""Every reason not to rehearse is one sentence."""

import asyncio
from uuid import UUID

import pytest

from catalog.rehearsals.store import Source
from chassis.settings import Settings
from loadtest.rehearsal.asking import Asked, RehearsalError, fault_of
from loadtest.rehearsal.target import Target, check_faults, check_source, find_target

SESSION = UUID(int=7)
ALONE = Target(Settings(), "http://127.0.0.1:8000", "", [])
THERE = {"database_url": "postgresql://nobody@127.0.0.1:1/x", "redis_url": "redis://127.0.0.1:1"}


def source(sale_status: str) -> Source:
    return Source(SESSION, "published", sale_status, "演出", "馆", 4, 100)


@pytest.mark.parametrize("status", ["scheduled", "on_sale", "sold_out"])
def test_what_is_sold_or_will_be_can_be_rehearsed(status: str) -> None:
    assert check_source(source(status), SESSION).seats == 100


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (None, "There is no session"),
        (source("draft"), "is a draft"),
        (source("cancelled"), "is cancelled"),
        (source("closed"), "has closed its sale"),
    ],
)
def test_what_is_not_sold_any_more_or_not_yet_is_refused(found: Source | None, says: str) -> None:
    with pytest.raises(RehearsalError, match=says):
        check_source(found, SESSION)


@pytest.mark.parametrize("text", ["kill:valkey", "kill:postgresql", "kill:sshd"])
def test_what_only_a_cluster_can_lose_is_refused_elsewhere(text: str) -> None:
    with pytest.raises(RehearsalError, match="needs a cluster"):
        check_faults(ALONE, [fault_of(text, 60.0)])
    check_faults(
        Target(Settings(), "http://127.0.0.1:8000", "/control", []), [fault_of(text, 60.0)]
    )


def test_a_program_that_does_not_run_here_cannot_be_killed() -> None:
    with pytest.raises(RehearsalError, match="no web of this platform runs on this machine"):
        check_faults(ALONE, [fault_of("kill:web", 60.0)])


@pytest.mark.parametrize(
    ("settings", "gateway", "says"),
    [
        ({"payment_provider": "stripe"}, "", "takes money by stripe"),
        ({}, "https://tickets.example", "must be like http://"),
        ({}, "http://tickets.example/path", "must be like http://"),
        ({}, "http://x:99999", "must be like http://"),
        ({}, "ftp://x:1", "must be like http://"),
        ({}, "http://127.0.0.1:1", "No gateway answers"),
    ],
)
def test_a_platform_that_cannot_be_used_is_refused(
    settings: dict[str, str], gateway: str, says: str
) -> None:
    with pytest.raises(RehearsalError, match=says):
        asyncio.run(find_target(Settings(**THERE | settings), Asked(people=1, gateway=gateway)))  # type: ignore[arg-type]


def test_where_nothing_runs_nothing_is_rehearsed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RehearsalError, match="No platform runs on"):
        asyncio.run(find_target(Settings(data_dir=tmp_path), Asked(people=1)))
    assert list(tmp_path.iterdir()) == []
