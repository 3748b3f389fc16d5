"""Headers that may come once only, and what becomes of a request that has two of one."""

from collections.abc import AsyncIterator

import pytest

from tests.support.gateway import Rig, rig

ORDERS = "/api/v1/orders"


@pytest.fixture
async def edge(redis_url: str) -> AsyncIterator[Rig]:
    async with rig(redis_url) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Idempotency-Key", ("one", "two")),
        ("Idempotency-Key", ("one", "one")),
        ("Authorization", ("Bearer a", "Bearer b")),
        ("Content-Type", ("application/json", "text/plain")),
        ("Content-Length", ("2", "2")),
        ("Host", ("a", "b")),
        ("Origin", ("https://a.example", "https://b.example")),
        ("Last-Event-ID", ("1", "2")),
    ],
)
async def test_two_lines_of_a_header_that_comes_once_are_refused(
    edge: Rig, name: str, values: tuple[str, str]
) -> None:
    answer = await edge.client.post(ORDERS, b"{}", [(name, value) for value in values])
    assert (answer.status, answer.code) == (400, "bad-request")
    assert name.title() in answer.json["detail"]
    assert edge.booking.requests == []


async def test_one_line_of_each_is_fine(edge: Rig) -> None:
    sent = [("Idempotency-Key", "one"), ("Content-Type", "application/json")]
    assert (await edge.client.post(ORDERS, b"{}", sent)).status == 200
    assert edge.booking.header("idempotency-key") == "one"


async def test_of_two_request_ids_neither_is_taken(edge: Rig) -> None:
    """Never an error (API.md): an id of ours instead, in the answer and for the service."""
    sent = [("X-Request-ID", "mine"), ("X-Request-ID", "yours")]
    answer = await edge.client.post(ORDERS, b"{}", sent)
    assert answer.status == 200
    assert answer.header("x-request-id") not in {"mine", "yours"}
    assert edge.booking.header("x-request-id") == answer.header("x-request-id")
