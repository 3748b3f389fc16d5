"""The fast path: serves the few routes that an on-sale consists of without the framework's machinery.

    @post("/api/v1/orders", opt=access(LOGGED_IN, straight=True, body=CreateOrder))

The handler is declared to Litestar like any other. Litestar also describes it (OpenAPI) and serves all
unusual requests: a header sent twice, a path or a query that does not parse. For the others, the same
function is called with the same arguments under the same access rule, and its answer is sent as Litestar
would send it; tests compare the two. This saves a third of a request's time (ADR 28).
"""

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Annotated, Any, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from chassis.auth.access import PRINCIPAL, Rule
from chassis.auth.tokens import Principal, Verifier, bearer_token
from chassis.context import RequestContext
from chassis.problems import (
    PayloadTooLarge,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)
from chassis.seam.direct import Call, CallHeaders, Reply
from chassis.seam.upstream import Message, Receive

Shape = tuple[str, int, str]  # method, number of segments, the third segment: /api/v1/orders
Serve = Callable[["FastRoute", Call, dict[str, Any], RequestContext], Awaitable[Reply]]

QUERIES_MAX = 1_024  # that a route remembers, with QUERY_LENGTH_MAX bytes each at most
QUERY_LENGTH_MAX = 256

_JSON = b"application/json"
_encode = msgspec.json.Encoder().encode


class SharedAnswer(Response[bytes]):
    """JSON with an entity tag. The gateway of this process may give it to others (gateway.http.kept).

    is_current: see chassis.seam.direct.Reply. None: this caller alone gets it.
    """

    def __init__(
        self, body: bytes, *, is_current: Callable[[], bool] | None = None, **told: Any
    ) -> None:
        super().__init__(body, media_type="application/json", **told)
        self.is_current = is_current


class MinimalRequest:
    """What handlers use of Litestar's Request: the app, who asks, and the headers."""

    def __init__(self, app: Litestar, call: Call, principal: Principal | None) -> None:
        self.app = app
        self.scope = {PRINCIPAL: principal}
        self._call = call

    @cached_property
    def headers(self) -> CallHeaders:
        return CallHeaders(self._call.headers)


class FastRoute:
    """One handler. `arguments(…)` says whether it takes a call, `answer(…)` calls it.
    `template`: of its path, as Litestar has it."""

    def __init__(
        self,
        app: Litestar,
        verifier: Verifier,
        serve: Serve,
        handler: HTTPRouteHandler,
        route: Any,
    ) -> None:
        components = route.path_components
        self.template: str = route.path_format
        self._app, self._verifier, self._serve = app, verifier, serve
        self._rule = Rule.of(handler.opt)
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
        self._headers: list[tuple[bytes, str]] = []
        queried: list[inspect.Parameter] = []
        for name, parameter in parameters.items():
            if name in names or name in {"request", "principal", "body"}:
                continue
            if (header := _header_of(parameter)) is not None:
                self._headers.append((header, name))
            elif parameter.default is inspect.Parameter.empty:
                raise TypeError(f"{handler} cannot use the fast path: {name} has no default")
            else:
                queried.append(parameter)
        self._parse_query = lru_cache(QUERIES_MAX)(_query_parser(queried)) if queried else None

    def arguments(self, segments: Sequence[str], call: Call) -> dict[str, Any] | None:
        """What the handler takes of path and headers. None: Litestar answers this call."""
        for n, part in self._fixed:
            if segments[n] != part:
                return None
        arguments: dict[str, Any] = {}
        if call.query and self._parse_query is not None:
            if len(call.query) > QUERY_LENGTH_MAX:
                return None
            queried = self._parse_query(call.query)
            if queried is None:
                return None
            arguments |= queried
        for n, name, parser in self._parsed:
            try:
                arguments[name] = parser(segments[n]) if parser is not None else segments[n]
            except ValueError:
                return None
        for header, name in self._headers:
            value = call.headers.get(header)
            if value is not None:
                arguments[name] = value.decode("latin-1")
        return arguments

    def serve(
        self, call: Call, arguments: dict[str, Any], context: RequestContext
    ) -> Awaitable[Reply]:
        """The answer to a call of this process (chassis.seam.direct)."""
        return self._serve(self, call, arguments, context)

    async def answer(
        self, call: Call, arguments: dict[str, Any], receive: Receive | None = None
    ) -> Reply:
        """Raises the handler's problems. `receive`: for a body that has not been read."""
        if self._wants_body and not json_or_empty(call.headers):
            raise UnsupportedMediaType()
        principal = await self._admit(call)
        if self._wants_request:
            arguments["request"] = MinimalRequest(self._app, call, principal)
        if self._wants_principal:
            if principal is None:
                raise Unauthenticated()
            arguments["principal"] = principal
        if self._wants_body:
            if call.body is None and receive is not None:
                call.body = await _read(receive, self._app.request_max_body_size)
            arguments["body"] = call.body
        return _reply(await self._call(**arguments), self._status)

    async def _admit(self, call: Call) -> Principal | None:
        """Who calls. Raises what the rule of the handler refuses. A token that our own verifier has checked
        in this process is not checked twice."""
        if not self._rule.looks:
            return None
        verified = call.verified
        if verified is not None and verified.verifier is self._verifier:
            principal: Principal | None = self._verifier.unless_expired(verified.principal)
        else:
            header = call.headers.get(b"authorization")
            token = bearer_token(header.decode("latin-1")) if header is not None else None
            principal = await self._verifier.verify(token) if token is not None else None
        self._rule.check(principal)
        return principal


class StraightWays:
    """The fast routes of an app. `find(call)` returns (route, arguments), or None for Litestar.

    serve: answers a call in the service's context.
    """

    def __init__(self, app: Litestar, verifier: Verifier, serve: Serve) -> None:
        self.by_template: dict[tuple[str, str], FastRoute] = {}
        self._by_shape: dict[Shape, list[FastRoute]] = {}
        for route in app.routes:
            for handler in getattr(route, "route_handlers", ()):
                if handler.opt.get("straight"):
                    way = FastRoute(app, verifier, serve, handler, route)
                    for method in handler.http_methods:
                        name = str(getattr(method, "value", method))
                        self._add(way, name, route.path_components)

    def _add(self, way: FastRoute, method: str, components: Sequence[Any]) -> None:
        self.by_template[method, way.template] = way
        shape = (method, len(components), components[2])
        self._by_shape.setdefault(shape, []).append(way)

    def find(self, call: Call) -> tuple[FastRoute, dict[str, Any]] | None:
        segments = call.path[1:].split("/")
        if len(segments) < 3:
            return None
        for way in self._by_shape.get((call.method, len(segments), segments[2]), ()):
            arguments = way.arguments(segments, call)
            if arguments is not None:
                return way, arguments
        return None


def json_or_empty(headers: Mapping[bytes, bytes]) -> bool:
    """True if the body is declared as JSON, or there is none."""
    kind = headers.get(b"content-type", b"")
    if kind == _JSON:
        return True
    if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
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


def _query_parser(
    parameters: Sequence[inspect.Parameter],
) -> Callable[[bytes], dict[str, Any] | None]:
    """Parses a query as Litestar does: with msgspec, from text to the types of the parameters. The parser
    returns None for a query that Litestar may refuse, and for a name that is sent twice."""
    fields, names = [], {}
    for parameter in parameters:
        kind, told = get_args(parameter.annotation)
        assert isinstance(told, QueryParameter), f"{parameter} needs a QueryParameter"
        if told.ge is not None or told.le is not None:
            kind = Annotated[kind, msgspec.Meta(ge=told.ge, le=told.le)]
        fields.append((parameter.name, kind, parameter.default))
        names[parameter.name] = told.name or parameter.name
    queried = msgspec.defstruct("Query", fields, rename=names)

    def parse(query: bytes) -> dict[str, Any] | None:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        sent = dict(pairs)
        if len(sent) != len(pairs):
            return None
        try:
            return msgspec.structs.asdict(msgspec.convert(sent, queried, strict=False))
        except msgspec.ValidationError:
            return None

    return parse


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


def _reply(answer: Any, status: int) -> Reply:
    """The reply of an answer: a struct, a Response around one or around bytes, or a Stream with a length in
    its headers."""
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
        return Reply(status, headers, _pieces(answer.iterator))
    body: bytes = content if isinstance(content, bytes) else _encode(content)
    if status not in {204, 304}:
        headers.append((b"content-type", kind))
        headers.append((b"content-length", b"%d" % len(body)))
    reply = Reply(status, headers, body)
    if isinstance(answer, SharedAnswer):
        reply.is_current = answer.is_current
    return reply


async def _pieces(pieces: Any) -> AsyncIterator[bytes]:
    assert isinstance(pieces, AsyncIterable), "only asynchronous iterables are streamed"
    async for piece in pieces:
        yield piece
