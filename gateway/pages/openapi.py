"""The platform's OpenAPI document, merged from the documents of all services."""

import asyncio
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec

from chassis.concurrency.cache import FetchOnce
from chassis.http.openapi import METHODS, PROBLEM_SCHEMA
from chassis.problems import (
    CONTENT_TYPE,
    InternalError,
    Overloaded,
    PayloadTooLarge,
    Problem,
    RateLimited,
    Unavailable,
)
from chassis.seam.client import ServiceClient
from chassis.seam.upstream import Upstreams
from gateway.http.static import REVALIDATE, File, etag_of, make_file
from gateway.problems import BadRequest, HeadersTooLarge, RequestTimeout, UriTooLong

DOCUMENT_PATH = "/internal/openapi.json"
KEPT_S = 30.0
SERVICES = ("identity", "catalog", "booking", "notification")
DESCRIPTION = (
    "Ticketing for on-sales, when far more people want seats than there are. Amounts are in minor units "
    "of their currency. Times are UTC. Every error is application/problem+json with a stable `code`. "
    "Malformed HTTP/1.1 requests, and requests with more than 100 header lines or well over 64 KiB of "
    "headers, get an empty 400 or 431, and the connection is closed: the server could not read the request."
)
EVERYWHERE: tuple[type[Problem], ...] = (
    BadRequest,
    UriTooLong,
    RateLimited,
    HeadersTooLarge,
    InternalError,
    Overloaded,
    Unavailable,
)
WITH_A_BODY: tuple[type[Problem], ...] = (RequestTimeout, PayloadTooLarge)
REQUEST_ID_HEADER = {
    "description": "The request's id: the one you sent, if it is valid.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
}
RETRY_AFTER_HEADER = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}

Document = dict[str, Any]


class MergedDocument:
    """`await get()` returns the document as a file with an ETag.

    Raises Unavailable until every service has sent its document once. From then on the last known
    document stands in for a service that is down.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        *,
        public_url: str,
        version: str,
        reachable: Callable[[str], bool],
        kept_s: float = KEPT_S,
    ) -> None:
        self._clients = {name: ServiceClient(getattr(upstreams, name)) for name in SERVICES}
        self._public_url, self._version = public_url.rstrip("/"), version
        self._reachable = reachable
        self._last: File | None = None
        self._cache: FetchOnce[str, File] = FetchOnce(self._make, ttl_s=kept_s, entries_max=1)

    async def get(self) -> File:
        return await self._cache.get("")

    async def _make(self, _key: str) -> File:
        try:
            answers = await asyncio.gather(
                *(client.request("GET", DOCUMENT_PATH) for client in self._clients.values())
            )
        except Problem:
            if self._last is None:
                raise
            return self._last
        documents = dict(zip(self._clients, map(msgspec.json.decode, answers), strict=True))
        body = msgspec.json.encode(self._merge(documents))
        if self._last is None or self._last.etag != etag_of(body):
            self._last = make_file(body, ".json", REVALIDATE)
        return self._last

    def _merge(self, documents: dict[str, Document]) -> Document:
        merged: Document = {
            "openapi": "3.1.0",
            "info": {
                "title": "Stampede",
                "version": self._version,
                "description": DESCRIPTION,
            },
            # The document's own origin comes first, so that the docs page calls it.
            "servers": [{"url": "/"}, *({"url": url} for url in filter(None, [self._public_url]))],
            "tags": [],
            "paths": {},
            "components": {
                "schemas": {"Problem": PROBLEM_SCHEMA},
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
                },
            },
        }
        for service, document in documents.items():
            _add(merged, service, document, self._reachable)
        tags = {tag for _, _, operation in _operations(merged) for tag in operation["tags"]}
        merged["tags"] = [{"name": tag} for tag in sorted(tags)]
        for _, _, operation in _operations(merged):
            _describe_the_edge(operation)
        return merged


def _add(
    merged: Document, service: str, document: Document, reachable: Callable[[str], bool]
) -> None:
    renamed = _renamed_components(merged["components"], document.get("components", {}), service)
    document = _with_references(document, renamed)
    for kind, entries in document.get("components", {}).items():
        target = merged["components"].setdefault(kind, {})
        for name, entry in entries.items():
            target.setdefault(renamed.get(f"#/components/{kind}/{name}", name), entry)
    taken = {operation.get("operationId") for _, _, operation in _operations(merged)}
    for path, item in document.get("paths", {}).items():
        if not reachable(path):
            continue
        merged["paths"].setdefault(path, {}).update(item)
        for method in METHODS:
            if method in item:
                operation = item[method]
                operation["tags"] = operation.get("tags") or [service.title()]
                if operation.get("operationId") in taken:
                    operation["operationId"] = f"{service}_{operation['operationId']}"


def _renamed_components(known: Document, new: Document, service: str) -> dict[str, str]:
    """New names by old reference, for components whose name has another meaning elsewhere (compared
    by content)."""
    renamed = {}
    for kind, entries in new.items():
        for name, entry in entries.items():
            other = known.get(kind, {}).get(name)
            if other is not None and other != entry:
                renamed[f"#/components/{kind}/{name}"] = f"{service.title()}{name}"
    return renamed


def _with_references(document: Document, renamed: dict[str, str]) -> Document:
    if not renamed:
        return document
    references = {old: old.rpartition("/")[0] + "/" + name for old, name in renamed.items()}

    def rewrite(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: rewrite(value) for key, value in part.items()}
        if isinstance(part, list):
            return [rewrite(one) for one in part]
        return references.get(part, part) if isinstance(part, str) else part

    rewritten: Document = rewrite(deepcopy(document))
    return rewritten


def _operations(document: Document) -> list[tuple[str, str, Document]]:
    return [
        (path, method, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


def _describe_the_edge(operation: Document) -> None:
    """Adds the gateway's own answers and headers, which any route may return."""
    responses = operation.setdefault("responses", {})
    problems = EVERYWHERE + (WITH_A_BODY if "requestBody" in operation else ())
    for problem in problems:
        answer = responses.setdefault(
            str(problem.status),
            {
                "description": "",
                "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
        code = f"`{problem.code}`"
        if code not in answer["description"]:
            answer["description"] = ", ".join(filter(None, (answer["description"], code)))
    for status, answer in responses.items():
        headers = answer.setdefault("headers", {})
        headers.setdefault("X-Request-ID", REQUEST_ID_HEADER)
        if status in {"429", "503"}:
            headers.setdefault("Retry-After", RETRY_AFTER_HEADER)
