"""What the gateway answers itself: probes, metrics, the OpenAPI document, pages and files."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from chassis import settings
from chassis.concurrency.cache import FetchOnce
from chassis.http.readiness import Readiness
from chassis.observability.exposition import Exposition
from chassis.problems import MethodNotAllowed, Problem
from chassis.seam.client import ServiceClient
from chassis.wiring import Wiring
from gateway.http.exchange import Exchange
from gateway.http.static import File
from gateway.pages.docs import docs_files
from gateway.pages.openapi import KEPT_S, SERVICES, MergedDocument
from gateway.pages.storefront import load_storefront, plain_address
from gateway.pages.wall import wall_files

Handler = Callable[[Exchange], Awaitable[None]]

READY_DEADLINE_S = 1.0
READY_KEPT_S = 1.0
METRICS_KEPT_S = 1.0  # rendering them takes 15 ms, and probes are not rate limited
READ_ONLY = {"Allow": "GET, HEAD, OPTIONS"}
JSON = (b"content-type", b"application/json")
STOREFRONT = Path(__file__).resolve().parents[2] / "web" / "storefront"


class Operations:
    """`find(path)` returns the handler and its name in metrics, or None if the gateway has no such
    path."""

    def __init__(
        self,
        wiring: Wiring,
        reachable: Callable[[str], bool],
        *,
        document_kept_s: float = KEPT_S,
    ) -> None:
        self._services = {
            name: ServiceClient(getattr(wiring.upstreams, name), deadline_s=READY_DEADLINE_S)
            for name in SERVICES
        }
        self._looks: FetchOnce[str, bool] = FetchOnce(
            self._ask_readiness, ttl_s=READY_KEPT_S, entries_max=len(SERVICES)
        )
        self._readiness = Readiness("gateway", self._look, wiring.drain)
        self._exposition = Exposition(settings.metrics_dir())
        self._written_metrics: FetchOnce[str, bytes] = FetchOnce(
            self._write_metrics, ttl_s=METRICS_KEPT_S, entries_max=1
        )
        self._document = MergedDocument(
            wiring.upstreams,
            public_url=wiring.settings.public_url,
            version=_version(),
            reachable=reachable,
            kept_s=document_kept_s,
        )
        storefront = load_storefront(STOREFRONT, wiring.settings.default_language)
        wall = wall_files(wiring.settings.default_language)
        self._files: dict[str, File] = docs_files() | storefront | wall
        self._handlers: dict[str, Handler] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
            "/api/v1/openapi.json": self._openapi,
        }

    def find(self, path: str) -> tuple[Handler, str] | None:
        handler = self._handlers.get(path)
        if handler is not None:
            return handler, path
        file = self._files.get(path)
        if file is None and (plain := plain_address(path)) is not None:
            file = self._files.get(plain)
        if file is not None:
            return file.answer, "/docs" if path.startswith("/docs") else "/"
        return None

    async def _healthz(self, exchange: Exchange) -> None:
        await _json(exchange, {"status": "ok", "service": "gateway"})

    async def _readyz(self, exchange: Exchange) -> None:
        await _json(exchange, await self._readiness.answer(exchange.query))

    async def _look(self) -> dict[str, bool]:
        answers = await asyncio.gather(*map(self._looks.get, SERVICES))
        return dict(zip(SERVICES, answers, strict=True))

    async def _ask_readiness(self, name: str) -> bool:
        try:
            status, _ = await self._services[name].exchange("GET", "/readyz?deep")
        except Problem:
            return False
        return status == 200

    async def _metrics(self, exchange: Exchange) -> None:
        headers = [(b"content-type", CONTENT_TYPE_LATEST.encode("ascii"))]
        await exchange.answer(200, headers, await self._written_metrics.get(""))

    async def _write_metrics(self, _: str) -> bytes:
        return await self._exposition.text()

    async def _openapi(self, exchange: Exchange) -> None:
        await (await self._document.get()).answer(exchange)


def read_only(exchange: Exchange) -> None:
    """Raises MethodNotAllowed unless the request only reads."""
    if exchange.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed(headers=READ_ONLY)


async def _json(exchange: Exchange, body: object) -> None:
    await exchange.answer(200, [JSON], msgspec.json.encode(body))


def _version() -> str:
    try:
        return version("stampede")
    except PackageNotFoundError:  # runs from a checkout that was never installed
        return "0"
