"""Answers that are kept in the gateway are those that the service would give."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Request, Response, get
from litestar.params import FromPath

from chassis.auth.access import PUBLIC, access
from chassis.events.broker import MemoryBroker
from chassis.http.fast_path import SharedAnswer
from chassis.http.pagination import PageNumber
from chassis.http.service import service_app
from chassis.observability import logs
from chassis.seam.upstream import Upstreams
from chassis.wiring import wire
from gateway.asgi import Gateway
from gateway.http.kept import BYTES_MAX, KeptAnswers
from runtime.compose import LocalUpstream
from tests.support.asgi import in_a_task_of_its_own
from tests.support.catalog import running_catalog
from tests.support.gateway import Answer, Client, Identity, Service, settings_for

SHOWS = "/api/v1/shows"
SHOW = f"{SHOWS}/{uuid4()}"
GZIP, BROTLI = ("Accept-Encoding", "gzip, br"), ("Accept-Encoding", "br")


class Shelf:
    """What the service answers with, and how often it was asked."""

    def __init__(self) -> None:
        self.version = 7
        self.calls = 0
        self.is_shared = True

    def answer(self, request: Any, body: bytes) -> Response[bytes]:
        self.calls += 1
        made_of, tag = self.version, f'"{self.version}"'
        headers = {"ETag": tag, "Cache-Control": "public", "Vary": "Authorization"}
        asked = ", ".join(request.headers.getall("if-none-match", []))
        if asked == "*" or tag in asked:
            return Response(b"", status_code=304, headers=headers, media_type="application/json")
        is_current: Callable[[], bool] = lambda: self.version == made_of  # noqa: E731
        return SharedAnswer(
            body, headers=headers, is_current=is_current if self.is_shared else None
        )


class Kept:
    """A gateway with catalog in its process (`short`), or without a short way to it."""

    def __init__(self, gateway: Gateway, identity: Identity, shelf: Shelf) -> None:
        self.client, self.identity, self.shelf = Client(gateway), identity, shelf

    async def get(self, target: str = SHOW, *headers: tuple[str, str]) -> tuple[Answer, bool]:
        """The answer, and whether the service gave it."""
        before = self.shelf.calls
        answer = await self.client.get(target, headers)
        return answer, self.shelf.calls > before


@asynccontextmanager
async def nothing(_: Any) -> AsyncIterator[None]:
    yield


async def ready(_: Any) -> dict[str, bool]:
    return {}


@asynccontextmanager
async def house(redis_url: str, *, short: bool) -> AsyncIterator[Kept]:
    shelf, identity, local = Shelf(), Identity(), LocalUpstream()

    @get(SHOWS, operation_id="shows", opt=access(PUBLIC, straight=True))
    async def shows(request: Request[Any, Any, Any], page: PageNumber = 1) -> Response[bytes]:
        return shelf.answer(request, b'{"page": %d, "shows": "%s"}' % (page, b"." * 5_000))

    @get("/api/v1/shows/{show_id:uuid}", operation_id="show", opt=access(PUBLIC, straight=True))
    async def show(request: Request[Any, Any, Any], show_id: FromPath[UUID]) -> Response[bytes]:
        return shelf.answer(request, b'{"show_id": "%s"}' % str(show_id).encode())

    async def by_asgi(scope: Any, receive: Any, send: Any) -> None:
        await local(scope, receive, send)

    upstreams = Upstreams(
        identity=identity,
        catalog=local if short else by_asgi,
        booking=Service("booking"),
        notification=Service("notification"),
    )
    wiring = wire(settings_for(redis_url), upstreams, MemoryBroker([]))
    local.app = service_app("catalog", wiring, routes=[shows, show], lifespan=nothing, ready=ready)
    gateway = Gateway(wiring, nullcontext())
    async with in_a_task_of_its_own(local.app.lifespan), gateway.running():
        yield Kept(gateway, identity, shelf)


@pytest.fixture
async def kept(redis_url: str) -> AsyncIterator[Kept]:
    async with house(redis_url, short=True) as running:
        yield running


def comparable(answer: Answer) -> Any:
    headers = sorted(header for header in answer.headers if header[0] != b"ratelimit")
    return answer.status, headers, answer.body


async def test_a_kept_answer_is_the_services(redis_url: str) -> None:
    tags = [[], ["7"], ["W/7"], ["8"], ["*"], ["6, 7"], ["7", "8"]]
    tags = [[one.replace("7", '"7"').replace("8", '"8"') for one in some] for some in tags]
    async with (
        house(redis_url, short=True) as short,
        house(redis_url, short=False) as long,
    ):
        for target in (SHOW, f"{SHOWS}?page=2", SHOWS, f"{SHOWS}?page=2&page=3", f"{SHOWS}?page=0"):
            for encoding in ([], [GZIP], [BROTLI], [GZIP, BROTLI]):
                for method in ("GET", "HEAD"):
                    for some in tags:
                        asked = [("X-Request-ID", "same"), *encoding]
                        asked += [("If-None-Match", tag) for tag in some]
                        said = [
                            comparable(await one.client.call(method, target, asked))
                            for one in (short, short, long)
                        ]
                        assert said[0] == said[1] == said[2], (method, target, asked)
        assert short.shelf.calls < 2 * long.shelf.calls  # it was asked everything twice


async def test_the_service_is_asked_again_when_its_answer_is_no_longer_current(kept: Kept) -> None:
    assert [(await kept.get())[1] for _ in range(3)] == [True, False, False]
    assert (await kept.get(SHOW, ("If-None-Match", 'W/"7"')))[0].status == 304
    kept.shelf.version = 8
    answer, asked = await kept.get(SHOW, ("If-None-Match", '"7"'))
    assert (answer.status, answer.header("etag"), asked) == (200, '"8"', True)
    assert not (await kept.get())[1]


async def test_each_client_gets_its_own_headers(kept: Kept) -> None:
    for name in ("one", "two"):
        answer, _ = await kept.get(SHOW, ("X-Request-ID", name))
        assert answer.header("x-request-id") == name
        assert answer.header("ratelimit")
        assert answer.header("x-content-type-options") == "nosniff"


async def test_the_log_of_the_service_tells_of_it(kept: Kept, tmp_path: Path) -> None:
    await kept.get()
    logs.configure(tmp_path, log_format="text", console=False)
    try:
        _, asked = await kept.get(SHOW, ("X-Request-ID", "followed"))
        logs.flush()
    finally:
        logs.configure(None, log_format="text", console=False)
    assert not asked
    (said,) = (tmp_path / "catalog.log").read_text("utf-8").splitlines()
    assert "[followed] answered_as_kept route=/api/v1/shows/{show_id} status=200" in said
    assert "[followed] GET " in (tmp_path / "gateway.log").read_text("utf-8")


async def test_who_has_a_role_is_answered_by_the_service(kept: Kept) -> None:
    def bearer(*roles: str) -> tuple[str, str]:
        return ("Authorization", f"Bearer {kept.identity.token(roles=list(roles))}")

    assert (await kept.get(SHOW, bearer("organizer")))[1]
    assert (await kept.get(SHOW, bearer("customer")))[1]  # an organizer's was not kept
    assert not (await kept.get(SHOW, bearer("customer")))[1]
    assert not (await kept.get(SHOW))[1]
    assert (await kept.get(SHOW, bearer("customer", "organizer")))[1]
    assert (await kept.get(SHOW, bearer("admin")))[1]
    refused, asked = await kept.get(SHOW, ("Authorization", "Bearer x.y.z"))
    assert (refused.status, asked) == (401, False)


async def test_what_the_service_does_not_share_is_not_kept(kept: Kept) -> None:
    kept.shelf.is_shared = False
    assert [(await kept.get())[1] for _ in range(2)] == [True, True]


async def test_the_oldest_answers_make_room() -> None:
    class Asked:
        caller = "anonymous"

        class headers:
            are_repeated = False
            get = {}.get

        query = b""

        def __init__(self, number: int) -> None:
            self.raw_path = b"/%d" % number

    answers, size = KeptAnswers(), BYTES_MAX // 16
    made: list[Any] = [Asked(number) for number in range(20)]
    for one in made:
        answers.keep(one, [(b"etag", b'"1"')], bytes(size), lambda: True)
    assert [answers.find(one) is not None for one in made] == [False] * 4 + [True] * 16
    answers.keep(made[0], [(b"etag", b'"1"')], bytes(BYTES_MAX // 4), lambda: True)
    assert answers.find(made[0]) is None


class Entered(LocalUpstream):
    """A service that counts the requests that come the short way."""

    calls = 0

    def ways(self) -> Any:
        return {route: CountedWay(way, self) for route, way in super().ways().items()}


class CountedWay:
    def __init__(self, way: Any, service: Entered) -> None:
        self._way, self._service = way, service
        self.template = way.template
        self.arguments = way.arguments

    async def serve(self, *call: Any) -> Any:
        self._service.calls += 1
        return await self._way.serve(*call)


@pytest.mark.parametrize("form", ["seat-map", "hall"])
async def test_what_is_drawn_of_a_published_hall_is_kept_and_a_drafts_is_not(
    database_url: str, redis_url: str, form: str
) -> None:
    async with running_catalog(database_url) as catalog:
        show_id = await catalog.show()
        published = await catalog.session(show_id)
        draft = await catalog.session(show_id, publish=False)
        service = Entered()
        service.app = catalog.app
        upstreams = Upstreams(
            identity=Identity(),
            catalog=service,
            booking=Service("booking"),
            notification=Service("notification"),
        )
        wiring = wire(settings_for(redis_url), upstreams, MemoryBroker([]))
        gateway = Gateway(wiring, nullcontext())
        async with gateway.running():
            client = Client(gateway)
            path = f"/api/v1/sessions/{published['session_id']}/{form}"
            first, again = [await client.get(path, ()) for _ in range(2)]
            assert (first.status, again.status, service.calls) == (200, 200, 1)
            assert first.body == again.body == (await catalog.get(path[7:])).body
            hidden = f"/api/v1/sessions/{draft['session_id']}/{form}"
            assert [(await client.get(hidden, ())).status for _ in range(2)] == [404, 404]
            assert service.calls == 3
