"""The storefront of any tree with a made-up session behind it, whose seats change all the time."""

import asyncio
import gzip
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from chassis.languages import LANGUAGES
from contracts.seats import SEAT_WORDS
from gateway.http.static import CONTENT_TYPES
from gateway.pages.languages import Spoken, languages_module, read_words, with_texts
from loadtest.frames.stadium import SESSION, places, seat_map

SHOW = "00000000-0000-7000-8000-000000000002"
DELTAS_PER_S = 10
FULL_SHARE = 0.35  # of the seats are sold at the start
Hall = dict[str, Any]


class Made:
    """A session that has been on sale for a while, as the API gives it."""

    def __init__(self, hall: Hall, changes_per_s: float) -> None:
        self.hall = hall
        self._changes_per_s = changes_per_s
        self._chance = random.Random(13)
        self._ids = [seat_id for seat_id, _ in places(hall)]
        self._states = ["s" if self._chance.random() < FULL_SHARE else "." for _ in self._ids]
        self._version = 1

    def session(self) -> Any:
        areas = [
            {name: area[name] for name in ("area_id", "name", "kind", "price", "capacity")}
            | {"currency": self.hall["currency"], "available": area["capacity"]}
            for area in self.hall["areas"]
        ]
        return {
            "session_id": SESSION,
            "show_id": SHOW,
            "date": "2030-05-01T11:30:00Z",
            "starts_at": "2030-05-01T11:30:00Z",
            "sale_opens_at": "2020-01-01T00:00:00Z",
            "sale_closes_at": "2030-05-01T11:30:00Z",
            "time_zone": "Asia/Shanghai",
            "status": "on_sale",
            "paused": False,
            "currency": self.hall["currency"],
            "max_tickets_per_user": 6,
            "seat_areas": areas,
        }

    def seats(self) -> Any:
        return {"version": self._version, "seats": "".join(self._states)}

    async def stream(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        with suppress(ConnectionError):  # the page has gone
            await answer.write(_event("snapshot", self.seats()))
            while True:
                await asyncio.sleep(1 / DELTAS_PER_S)
                change = self._change(round(self._changes_per_s / DELTAS_PER_S))
                await answer.write(_event("delta", change))
        return answer

    def _change(self, count: int) -> Any:
        changes = []
        for _ in range(count):
            at = self._chance.randrange(len(self._states))
            self._states[at] = self._chance.choice(".hs")
            changes.append([self._ids[at], self._states[at]])
        self._version += 1
        return {"version": self._version, "changes": changes}


@asynccontextmanager
async def served(tree: Path, made: Made) -> AsyncIterator[str]:
    """The URL of `tree`'s storefront with this session."""
    app = web.Application()
    files = tree / "web" / "storefront"
    spoken = _spoken(tree)
    answers = {
        f"/api/v1/sessions/{SESSION}": made.session(),
        f"/api/v1/sessions/{SESSION}/hall": made.hall,
        f"/api/v1/sessions/{SESSION}/seat-map": seat_map(made.hall),
        f"/api/v1/shows/{SHOW}": {"show_id": SHOW, "title": "Measured", "venue": "Stadium"},
    }
    packed = {path: gzip.compress(msgspec.json.encode(body)) for path, body in answers.items()}

    async def api(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/seats/stream"):
            return await made.stream(request)
        if request.path.endswith("/seats"):
            return _packed(gzip.compress(msgspec.json.encode(made.seats())))
        if request.path not in packed:
            return web.json_response({"code": "not-found"}, status=404)
        return _packed(packed[request.path])

    async def static(request: web.Request) -> web.Response:
        name = request.path.lstrip("/") or "index.html"
        body = _file(files, spoken, name)
        return web.Response(
            body=body,
            headers={
                "Content-Type": CONTENT_TYPES[Path(name).suffix].decode(),
                "Content-Security-Policy": "default-src 'self'",
            },
        )

    app.router.add_get("/api/v1/{path:.*}", api)
    app.router.add_get("/{path:.*}", static)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _spoken(tree: Path) -> dict[str, Spoken]:
    """Read once: parsing the files takes longer than the page does to its first map."""
    return {
        code: Spoken(
            language.name, language.tag, SEAT_WORDS[code], read_words(tree / "languages", code)
        )
        for code, language in LANGUAGES.items()
    }


def _file(files: Path, spoken: dict[str, Spoken], name: str) -> bytes:
    if name == "js/languages.js":
        return languages_module(spoken, "en")
    if name == "index.html":
        return with_texts((files / name).read_text("utf-8"), spoken, "en").encode()
    path = (files / name).resolve()
    if not path.is_relative_to(files.resolve()) or not path.is_file():
        raise web.HTTPNotFound()
    return path.read_bytes()


def _packed(body: bytes) -> web.Response:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    return web.Response(body=body, headers=headers)


def _event(name: str, data: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))
