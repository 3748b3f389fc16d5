"""Dead letters over services: what is away is named, and a retry leaves its action before it is asked for."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.operations.dead_letters import DeadLetters
from chassis.auth.tokens import Principal
from chassis.events.letters import FIND_PATH, PAGE_PATH, RETRY_PATH, Letter, Letters, LettersWanted
from chassis.problems import NotFound, Unavailable
from chassis.seam.client import ServiceClient
from tests.support.booking import BookingApp, running_booking
from tests.support.operations import Desk

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Service:
    """Answers over a list of letters. `away`: where nobody answers; `older`: a release without these routes;
    `sent`: what was sent back."""

    def __init__(self, *letters: Letter) -> None:
        self.letters, self.sent = sorted(letters, key=_place), list[Any]()
        self.away: set[str] = set()
        self.older = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] in self.away:
            raise OSError("nobody there")
        body = msgspec.json.decode((await receive())["body"])
        status, answer = 200, b""
        if self.older:
            status, answer = 404, b'{"code":"not-found"}'
        elif scope["path"] == PAGE_PATH:
            wanted = msgspec.convert(body, LettersWanted, strict=False)
            found = [one for one in self.letters if _is_after(one, wanted)][: wanted.limit]
            answer = msgspec.json.encode(Letters(found))
        else:
            there = [one for one in self.letters if str(one.event_id) == body["event_id"]]
            status = 200 if there else 404
            answer = msgspec.json.encode(there[0] if there else {"code": "not-found"})
            if scope["path"] != FIND_PATH:
                self.sent += there
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": answer})


def _place(letter: Letter) -> tuple[datetime, UUID]:
    return letter.first_failed_at, letter.event_id


def _is_after(letter: Letter, wanted: LettersWanted) -> bool:
    if wanted.since is None:
        return True
    place = (wanted.since, wanted.event_id)
    return _place(letter) > place or (wanted.itself and _place(letter) == place)


def letter(minute: int, event_id: UUID | None = None) -> Letter:
    return Letter(
        event_id=event_id or uuid4(), type="stampede.order.paid.v1", attempts=8, error="x",
        first_failed_at=BEGAN + timedelta(minutes=minute), state="dead",
    )  # fmt: skip


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


async def test_pages_of_two_services_have_each_letter_once(app: BookingApp) -> None:
    """Also an event that both of them have set aside, at the same moment."""
    both = uuid4()
    catalog = Service(*(letter(n) for n in (1, 4, 5)), letter(3, both))
    notification = Service(*(letter(n) for n in (2, 6)), letter(3, both))
    services = {"catalog": ServiceClient(catalog), "notification": ServiceClient(notification)}
    letters = DeadLetters(app.services.pool, services=services)
    for limit in (1, 2, 3, 7, 100):
        seen: list[tuple[str, UUID]] = []
        cursor = None
        while True:
            page = await letters.page(cursor=cursor, limit=limit)
            assert len(page.items) <= limit
            seen += [(one.service, one.event_id) for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 7
        assert seen[2:4] == [("catalog", both), ("notification", both)]
    notification.away.add(PAGE_PATH)
    page = await letters.page(cursor=None, limit=100)
    assert (len(page.items), page.unavailable) == (4, ["notification"])
    catalog.older = True
    page = await letters.page(cursor=None, limit=100)
    assert (page.items, page.unavailable) == ([], ["catalog", "notification"])


async def test_a_retry_is_written_down_though_its_service_goes_away(app: BookingApp) -> None:
    there = letter(1)
    service, desk = Service(there), Desk(app)
    letters = DeadLetters(app.services.pool, services={"catalog": ServiceClient(service)})
    who = Principal(desk.user, uuid4(), frozenset({"operator"}), 0.0)
    with pytest.raises(NotFound):
        await letters.retry(who, "catalog", "catalog", uuid4(), "no such letter")
    assert (await desk.actions()).json["items"] == []
    await letters.retry(who, "catalog", "catalog", there.event_id, "mended")
    assert service.sent == [there]
    (action,) = (await desk.actions()).json["items"]
    assert (action["action"], action["reason"]) == ("retry", "mended")
    service.away.add(RETRY_PATH)
    with pytest.raises(Unavailable):
        await letters.retry(who, "catalog", "catalog", there.event_id, "again")
    assert [one["reason"] for one in (await desk.actions()).json["items"]] == ["again", "mended"]
    assert service.sent == [there]
