"""The fast path: serves the few routes that an on-sale consists of without the framework's machinery.

    @post("/api/v1/orders", opt=access(LOGGED_IN, straight=True, body=CreateOrder))

The handler is declared to Litestar like any other. Litestar also describes it (OpenAPI) and serves all
unusual requests: a header sent twice, a query where there are parameters, a path that does not parse. For
the others, the same function is called with the same arguments under the same access rule, and its answer
is sent as Litestar would send it; tests compare the two. This saves a third of a request's time (ADR 28).
"""

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, get_args, get_origin

import msgspec
from litestar import Litestar, Response
from litestar.datastructures import Headers
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter
from litestar.response import Stream

from chassis.auth.access import authorize
from chassis.auth.tokens import Verifier
from chassis.problems import (
    PayloadTooLarge,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)
from chassis.seam.upstream import Message, Receive, Scope

Body = Message | AsyncIterator[Message]  # whole, or one piece at a time
Shape = tuple[str, int, str]  # method, number of segments, the third segment: /api/v1/orders

_JSON = b"application/json"
_encode = msgspec.json.Encoder().encode


class MinimalRequest:
    """What handlers use of Litestar's Request: the app, the scope and the headers."""

    def __init__(self, app: Litestar, scope: Scope) -> None:
        self.app = app
        self.scope = scope

    @cached_property
    def headers(self) -> Headers:
        return Headers.from_scope(self.scope)  # type: ignore[arg-type]


class FastRoute:
    """One handler. `matches(segments)` returns its path's arguments or None; `answer(…)` calls it.
    `template`: of its path, as Litestar has it."""

    template = ""

    def __init__(
        self,
        app: Litestar,
        verifier: Verifier,
        handler: HTTPRouteHandler,
        components: Sequence[Any],
    ) -> None:
        self._app, self._verifier = app, verifier
        self._opt = handler.opt
        self._call: Callable[..., Awaitable[Any]] = handler.fn
        self._status: int = handler.status_code
        self._fixed = [(n, part) for n, part in enumerate(components) if isinstance(part, str)]
        self._parsed = [
            (n, part.name, part.parser)
            for n, part in enumerate(components)
            if not isinstance(part, str)
        ]
        names = {name for _, name, _ in self._parsed}
        parameters = inspect.signature(self._call).parameters
        self._wants_request = "request" in parameters
        self._wants_principal = "principal" in parameters
        self._wants_body = "body" in parameters
        self._headers: dict[bytes, str] = {}
        self.takes_query = False
        for name, parameter in parameters.items():
            if name in names or name in {"request", "principal", "body"}:
                continue
            if (header := _header_of(parameter)) is not None:
                self._headers[header] = name
            elif parameter.default is inspect.Parameter.empty:
                raise TypeError(f"{handler} cannot use the fast path: {name} has no default")
            else:
                self.takes_query = True

    def matches(self, segments: Sequence[str]) -> dict[str, Any] | None:
        for n, part in self._fixed:
            if segments[n] != part:
                return None
        arguments = {}
        for n, name, parser in self._parsed:
            try:
                arguments[name] = parser(segments[n]) if parser is not None else segments[n]
            except ValueError:
                return None
        return arguments

    def read_headers(self, scope: Scope, arguments: dict[str, Any]) -> bool:
        """Adds the headers that are arguments. False if a header came twice."""
        if self._headers:
            for name, value in scope["headers"]:
                argument = self._headers.get(name)
                if argument is not None:
                    if argument in arguments:
                        return False
                    arguments[argument] = value.decode("latin-1")
        return True

    async def answer(
        self, scope: Scope, receive: Receive, arguments: dict[str, Any]
    ) -> tuple[Message, Body]:
        """The messages of the answer. Raises the handler's problems."""
        if self._wants_body and not json_or_empty(scope):
            raise UnsupportedMediaType()
        principal = await authorize(scope, self._verifier, self._opt)
        if self._wants_request:
            arguments["request"] = MinimalRequest(self._app, scope)
        if self._wants_principal:
            if principal is None:
                raise Unauthenticated()
            arguments["principal"] = principal
        if self._wants_body:
            arguments["body"] = await _read(receive, self._app.request_max_body_size)
        return _messages(await self._call(**arguments), self._status)


class StraightWays:
    """The fast routes of an app. `find(scope)` returns (route, arguments), or None for Litestar."""

    def __init__(self, app: Litestar, verifier: Verifier) -> None:
        self._by_shape: dict[Shape, list[FastRoute]] = {}
        for route in app.routes:
            for handler in getattr(route, "route_handlers", ()):
                if handler.opt.get("straight"):
                    way = FastRoute(app, verifier, handler, route.path_components)
                    way.template = route.path_format
                    self._add(way, handler.http_methods, route.path_components)

    def _add(self, way: FastRoute, methods: Iterable[Any], components: Sequence[Any]) -> None:
        for method in methods:
            shape = (str(getattr(method, "value", method)), len(components), components[2])
            self._by_shape.setdefault(shape, []).append(way)

    def find(self, scope: Scope) -> tuple[FastRoute, dict[str, Any]] | None:
        segments = scope["path"][1:].split("/")
        if len(segments) < 3:
            return None
        for way in self._by_shape.get((scope["method"], len(segments), segments[2]), ()):
            arguments = way.matches(segments)
            if arguments is not None:
                plain = not (way.takes_query and scope["query_string"])
                scope["path_template"] = way.template
                return (way, arguments) if plain and way.read_headers(scope, arguments) else None
        return None


def json_or_empty(scope: Scope) -> bool:
    """True if the body is declared as JSON, or there is none."""
    kind, length = b"", b"0"
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind = value
        elif name == b"content-length":
            length = value
        elif name == b"transfer-encoding":
            length = b"1"
    if length == b"0" or kind == _JSON:
        return True
    kind = kind.split(b";", 1)[0].strip().lower()
    return kind == _JSON or kind.endswith(b"+json")


def _header_of(parameter: inspect.Parameter) -> bytes | None:
    annotation = parameter.annotation
    if get_origin(annotation) is None and not get_args(annotation):
        return None
    for one in getattr(annotation, "__metadata__", ()):
        if isinstance(one, HeaderParameter):
            return str(one.name).lower().encode("ascii")
    return None


async def _read(receive: Receive, most: Any) -> bytes:
    message: Message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > most:
            raise PayloadTooLarge()
    if message["type"] == "http.disconnect":
        raise ValidationFailed("The request body is incomplete.")
    if len(body) > most:
        raise PayloadTooLarge()
    return body


def _messages(answer: Any, status: int) -> tuple[Message, Body]:
    """The messages of an answer: a struct, a Response around one or around bytes, or a Stream with a
    length in its headers."""
    headers: list[tuple[bytes, bytes]] = []
    kind = _JSON
    content = answer
    if isinstance(answer, Response):
        content = answer.content
        status = answer.status_code or status
        if answer.media_type is not None:
            kind = str(getattr(answer.media_type, "value", answer.media_type)).encode("latin-1")
        for name, value in answer.headers.items():
            headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
    if isinstance(answer, Stream):
        headers.append((b"content-type", kind))
        start = {"type": "http.response.start", "status": status, "headers": headers}
        return start, _stream(answer.iterator)
    body: bytes = content if isinstance(content, bytes) else _encode(content)
    if status not in {204, 304}:
        headers.append((b"content-type", kind))
        headers.append((b"content-length", b"%d" % len(body)))
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body, "more_body": False},
    )


async def _stream(pieces: Any) -> AsyncIterator[Message]:
    assert isinstance(pieces, AsyncIterable), "only asynchronous iterables are streamed"
    async for piece in pieces:
        yield {"type": "http.response.body", "body": piece, "more_body": True}
    yield {"type": "http.response.body", "body": b"", "more_body": False}
