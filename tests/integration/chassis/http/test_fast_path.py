"""The straight way answers what Litestar would: the same requests, both ways, the same answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from litestar import get
from litestar.di import NamedDependency

from booking.routes.orders import place_order
from catalog.routes.public import From, Mine, Words
from chassis.auth.access import PUBLIC, access
from chassis.auth.tokens import Principal
from chassis.http.fast_path import StraightWays
from chassis.http.pagination import PageNumber, PageSize
from chassis.http.service import service_app
from chassis.postgres.pool import ROLLED_BACK
from chassis.seam.direct import Call
from tests.support.asgi import exchange, in_a_task_of_its_own
from tests.support.booking import Answer, BookingApp, running_booking

USER, OTHER = uuid4(), uuid4()
CHANGING = {"order_id", "order_no", "request_id", "created_at", "expires_at", "seat_id", "number"}


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


class NoWays(StraightWays):
    def __init__(self) -> None:
        self._by_shape = {}


def comparable(answer: Answer) -> Any:
    """All of an answer but what differs from one request to the next."""

    def without(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: without(one) for name, one in part.items() if name not in CHANGING}
        return [without(one) for one in part] if isinstance(part, list) else part

    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return answer.status, headers, without(answer.json) if answer.body else b""


async def both_ways(app: BookingApp, *asked: Any, **how: Any) -> tuple[Answer, Answer]:
    ways = app.app.straight
    straight = await app.call(*asked, **how)
    app.app.straight = NoWays()
    try:
        return straight, await app.call(*asked, **how)
    finally:
        app.app.straight = ways


async def test_both_ways_give_the_same_answers(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    seats, orders = f"/sessions/{session_id}/seats", "/orders"
    tag = (await app.get(seats)).headers["etag"]
    body = {"session_id": str(session_id), "seats": [1]}
    await app.order(USER, session_id, seats=[1], key="k1")
    requests: list[tuple[Any, dict[str, Any]]] = [
        (("GET", seats), {}),
        (("GET", seats), {"headers": {"if-none-match": tag}}),
        (("GET", f"/sessions/{uuid4()}/seats"), {}),
        (("GET", "/sessions/nonsense/seats"), {}),
        (("POST", orders, body), {}),
        (("POST", orders, body), {"user": OTHER}),
        (("POST", orders, body), {"user": USER, "headers": {"idempotency-key": "k1"}}),
        (("POST", orders, body), {"user": USER, "headers": {"idempotency-key": '"k1"'}}),
        (("POST", orders, body), {"user": USER, "headers": {"idempotency-key": ""}}),
        (("POST", orders, {**body, "price": 1}), {"user": USER}),
        (("POST", orders), {"user": USER, "raw": b"{"}),
        (("POST", orders), {"user": USER, "raw": b""}),
        (("POST", orders), {"user": USER, "raw": b"x" * 1_100_000}),
        (("POST", orders, body), {"user": USER, "headers": {"content-type": "text/plain"}}),
        (("POST", orders, body), {"headers": {"authorization": "Bearer x.y.z"}}),
        (("POST", f"{orders}?page=2", {**body, "seats": [2, 2]}), {"user": USER}),
        (("POST", f"{orders}/{uuid4()}/pay", {}), {"user": USER}),
        (("POST", "/payments/webhooks/nobody", {}), {}),
        (("PUT", orders, body), {"user": USER}),
    ]
    for asked, how in requests:
        straight, long = await both_ways(app, *asked, **how)
        assert comparable(straight) == comparable(long), (asked, how)
    first = await app.order(USER, session_id, quantity=1)
    app.app.straight = NoWays()
    second = await app.order(USER, session_id, quantity=1)
    assert comparable(first) == comparable(second)


async def test_what_is_not_plain_goes_the_long_way(app: BookingApp) -> None:
    def find(method: str = "POST", path: str = "/api/v1/orders", **headers: bytes) -> Any:
        call = Call(method, path, b"", {name.encode(): value for name, value in headers.items()})
        return app.app.straight.find(call)

    assert find(key=b"k") is not None
    assert find(path="/api/v1/orders/nonsense/pay") is None
    assert find(path=f"/api/v1/orders/{uuid4()}/events") is None
    assert find("DELETE") is None
    assert find(path="/") is None
    scope: dict[str, Any] = {"method": "POST", "path": "/api/v1/orders", "query_string": b""}
    twice = {**scope, "headers": [(b"idempotency-key", b"k")] * 2}
    assert Call.of(twice) is None


async def test_a_handler_that_needs_a_login_is_refused_one_both_ways(app: BookingApp) -> None:
    """Though its access rule lets anybody in: no handler is ever called without the asker it names."""

    @get("/api/v1/mine", operation_id="read_mine", opt=access(PUBLIC, straight=True))
    async def read_mine(principal: NamedDependency[Principal]) -> dict[str, str]:
        return {"user_id": str(principal.user_id)}

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield

    async def ready(_: Any) -> dict[str, bool]:
        return {}

    mine: Any = service_app("mine", app.wiring, routes=[read_mine], lifespan=lifespan, ready=ready)
    async with in_a_task_of_its_own(mine.lifespan):
        for ways in (mine.straight, NoWays()):
            mine.straight = ways
            nobody = await exchange(mine, "GET", "/api/v1/mine", {"host": "mine"}, b"")
            assert (nobody.status, nobody.code) == (401, "unauthenticated")
            headers = {"host": "mine", "authorization": f"Bearer {app.token(USER)}"}
            somebody = await exchange(mine, "GET", "/api/v1/mine", headers, b"")
            assert somebody.json == {"user_id": str(USER)}


QUERIES = [
    *(
        "",
        "page=2",
        "page=2&q=jazz",
        "q=",
        "q=%E4%B8%8A%E6%B5%B7+x",
        "q=a%2Bb&from=2026-12-24",
        "from_=1",
    ),
    *(
        "page=0",
        "page=100001",
        "page=",
        "page=x",
        "page=1.0",
        "page=%201",
        "page_size=101",
        "page=+1",
    ),
    *(
        "mine=true",
        "mine=1",
        "mine=yes",
        "mine=",
        "q=null",
        "page=null",
        "q=%ff",
        "q",
        "&&",
        "=x",
        "q=a=b",
    ),
    *("page=1&page=2", "q=a&q=b", "other=1", "PAGE=2", "q=" + "x" * 300, "q=a;page=3", "page=\x31"),
]


async def test_queries_are_read_as_litestar_reads_them(app: BookingApp) -> None:
    @get("/api/v1/found", operation_id="find", opt=access(PUBLIC, straight=True))
    async def find(
        page: PageNumber = 1,
        page_size: PageSize = 20,
        q: Words = None,
        from_: From = None,
        mine: Mine = False,
    ) -> list[Any]:
        return [page, page_size, q, from_, mine]

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield

    async def ready(_: Any) -> dict[str, bool]:
        return {}

    made: Any = service_app("found", app.wiring, routes=[find], lifespan=lifespan, ready=ready)
    ways, straight = made.straight, 0
    async with in_a_task_of_its_own(made.lifespan):
        for query in QUERIES:
            target = f"/api/v1/found?{query}"
            answers = []
            for made.straight in (ways, ways, NoWays()):  # parsed, known, by Litestar
                answer = await exchange(made, "GET", target, {"host": "found"}, b"")
                answers.append(comparable(answer))
            assert answers[0] == answers[1] == answers[2], query
            call = Call("GET", "/api/v1/found", query.encode("latin-1"), {})
            straight += ways.find(call) is not None
    assert straight >= len(QUERIES) // 2


async def test_every_handler_that_says_so_goes_straight(app: BookingApp) -> None:
    """The mark of a handler is no wish: with it in place Litestar is not asked."""
    session_id = app.neighbours.publish()

    async def refuse(*_: Any) -> None:
        raise AssertionError("Litestar was asked")

    app.app.asgi_handler, kept = refuse, app.app.asgi_handler
    try:
        assert (await app.order(USER, session_id, quantity=1)).status == 201
    finally:
        app.app.asgi_handler = kept
    assert place_order.opt["straight"]


@pytest.mark.parametrize("undone", ROLLED_BACK)
async def test_what_the_database_rolled_back_is_no_defect_on_either_way(
    app: BookingApp, undone: type[Exception]
) -> None:
    class Crossed:
        async def take(self, *_: Any) -> None:
            raise undone("deadlock detected")

    app.rewire(webhooks=Crossed())
    for answer in await both_ways(app, "POST", "/payments/webhooks/sandbox", {}):
        assert (answer.status, answer.json["code"]) == (503, "overloaded")
        assert answer.headers["retry-after"] == "1"
