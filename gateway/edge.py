"""How the gateway handles a request, step by step."""

import contextlib
import time

import msgspec

from chassis.auth.tokens import Principal, Verifier, bearer_token
from chassis.context import CURRENT
from chassis.http.streams import is_stream
from chassis.observability import logs
from chassis.observability.slow import SlowRequests
from chassis.observability.tracer import Tracer, request_attributes
from chassis.problems import (
    InternalError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    Problem,
    Unauthenticated,
    Unavailable,
)
from chassis.redis.scripts import RedisCalls
from chassis.seam.client import ServiceClient
from chassis.seam.direct import Verified
from chassis.seam.upstream import SAFE_METHODS, Receive, Scope, Send
from chassis.wiring import Wiring
from gateway.forwarding import ANSWER_DEADLINE_S, Forwarder
from gateway.http.bodies import BODY_DEADLINE_S, Bodies, ClientGone
from gateway.http.compression import Compression
from gateway.http.cors import Cors
from gateway.http.exchange import NO_ROUTE, Exchange
from gateway.http.response_headers import AnswerHeaders
from gateway.metrics import caller_kind, count_request
from gateway.pages.openapi import KEPT_S
from gateway.pages.operations import Operations, read_only
from gateway.problems import BadRequest, UriTooLong
from gateway.protection.addresses import Addresses
from gateway.protection.admission import PAY, WAIT_S, Admission, Place, StreamPlaces
from gateway.protection.gate import Gate
from gateway.protection.limits import OverLimit, Policies
from gateway.protection.revocations import Revocations
from gateway.protection.unread import Unread
from gateway.routing import METHODS, Route, Routes, judge

TARGET_MAX_BYTES = 4096  # path and query
FORGED = frozenset({400, 401})  # answers to a callback without a valid provider signature
ALLOW = {"Allow": ", ".join(sorted(METHODS))}

log = logs.get("gateway")


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long the edge waits for others, and how long it believes them; tests wait less."""

    body_s: float = BODY_DEADLINE_S
    place_s: float = WAIT_S
    answer_s: float = ANSWER_DEADLINE_S
    document_kept_s: float = KEPT_S


class Edge:
    """Handles HTTP requests: `await handle(scope, receive, send)`. gateway.asgi builds it."""

    def __init__(
        self,
        wiring: Wiring,
        redis: RedisCalls,
        *,
        patience: Patience,
        compression: Compression | None = None,
    ) -> None:
        settings = wiring.settings
        self._verifier: Verifier = wiring.verifier
        self._cors = Cors(settings.cors_origins)
        self._answer_headers = AnswerHeaders(settings, self._cors)
        self._addresses = Addresses(settings.trusted_proxies)
        self._routes = Routes(demo=settings.demo)
        self._operations = Operations(
            wiring, self._is_reachable, document_kept_s=patience.document_kept_s
        )
        self.revocations = Revocations(
            redis,
            ServiceClient(wiring.upstreams.identity),
            token_life_s=settings.access_token_ttl_s,
        )
        self._gate = Gate(redis, Policies(settings), self.revocations)
        self.reporting = self._gate.reporting
        self._bodies = Bodies(deadline_s=patience.body_s)
        self._admission = Admission(
            settings.concurrency_max, settings.queue_max, wait_s=patience.place_s
        )
        self._streams = StreamPlaces()
        self._slow = SlowRequests("gateway", settings.slow_request_ms)
        self._tracer = wiring.tracer
        self._unread = Unread(settings)
        self.forwarder = Forwarder(
            wiring.upstreams,
            self.revocations,
            deadline_s=patience.answer_s,
            compression=compression,
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(
            scope, receive, send, self._answer_headers, self._unread, find=self._routes.find
        )
        if self._tracer is not None:
            self._tracer.begin(exchange.context, "gateway", scope["headers"])
        token = CURRENT.set(exchange.context)
        try:
            await self._answer(exchange)
        finally:
            exchange.close()
            self._tell(exchange)
            CURRENT.reset(token)

    async def _answer(self, exchange: Exchange) -> None:
        """Turns every failure into a problem document. If the answer has already begun, cuts the
        connection."""
        try:
            await self._serve(exchange)
        except ClientGone:  # also invalid chunked encoding: the server reports both alike
            await self._refuse(exchange, BadRequest("The request body is incomplete."))
        except Problem as problem:
            await self._refuse(exchange, problem)
        except (TimeoutError, ConnectionError) as away:
            log.warning("upstream_failed", reason=type(away).__name__)
            await self._refuse(exchange, Unavailable())
        except Exception as bug:
            log.error("unexpected_error", path=exchange.logged_path, exc_info=bug)
            await self._refuse(exchange, InternalError())

    async def _refuse(self, exchange: Exchange, problem: Problem) -> None:
        if not exchange.status:
            exchange.shed = isinstance(problem, Overloaded)
            if isinstance(problem, OverLimit):
                exchange.limits = problem.limits
            await exchange.refuse(problem, linger=isinstance(problem, PayloadTooLarge))
        elif not exchange.ended and not exchange.gone:
            raise ConnectionAbortedError("The answer had already begun.")

    async def _serve(self, exchange: Exchange) -> None:
        exchange.headers.check(exchange.scope.get("http_version", "1.1"))
        if len(exchange.raw_path) + len(exchange.query) > TARGET_MAX_BYTES:
            raise UriTooLong(f"Path and query may have at most {TARGET_MAX_BYTES} bytes.")
        if not exchange.target.is_plain:
            raise NotFound()
        path = exchange.path
        if exchange.method not in METHODS:
            raise MethodNotAllowed(headers=ALLOW)
        own = self._operations.find(path)
        route = None if own is not None else exchange.target.route
        if own is None and route is None:
            raise NotFound()
        if exchange.method == "OPTIONS":
            await self._answer_options(exchange, route)
        elif own is not None:
            handler, exchange.route = own
            read_only(exchange)
            exchange.counted_as = self._addresses.key(self._address_of(exchange))
            await handler(exchange)
        elif route is not None:
            exchange.route = route.template
            await self._forward(exchange, route)

    async def _answer_options(self, exchange: Exchange, route: Route | None) -> None:
        methods = (route.methods or METHODS) if route is not None else frozenset({"GET"})
        allowed = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        headers = [(b"allow", ", ".join(sorted(allowed)).encode("ascii"))]
        if exchange.headers.get(b"access-control-request-method") is not None:
            headers += self._cors.preflight(exchange.headers.get(b"origin"))
        await exchange.answer(204, headers)

    async def _forward(self, exchange: Exchange, route: Route) -> None:
        lane = PAY if route.lane == "pay" else route.service
        self._admission.refuse_when_behind(lane)
        address = self._address_of(exchange)
        counted_as = exchange.counted_as = self._addresses.key(address)
        self._gate.refuse_known(route, counted_as)
        with self._admission.coming(lane, takes_place=route.lane != "stream"):
            await self._let_in(exchange, route, counted_as)
        if route.lane == "stream":
            if exchange.method != "GET":
                raise MethodNotAllowed(headers={"Allow": "GET, OPTIONS"})
            with self._streams.place(counted_as):
                await self.forwarder.forward(exchange, route, address, b"")
            return
        body = b""
        length = exchange.headers.body_length()
        if not length and exchange.method in SAFE_METHODS:
            kept = self.forwarder.kept(exchange)
            if kept is not None:
                _log_for(route.service, exchange, kept[0])
                await exchange.reply(*kept)
                return
        if length:
            began_s = time.perf_counter()
            body = await self._bodies.read(exchange.receive, length)
            exchange.context.spend("body", began_s)
        with self._bodies.held(body):
            if not self._admission.enter_at_once(lane):
                began_s = time.perf_counter()
                try:
                    await self._admission.enter(lane)
                finally:
                    exchange.context.spend("queue", began_s)
            place = Place(self._admission, lane)
            exchange.on_long = place.leave  # a client that reads slowly does not keep a place
            began_s = time.perf_counter()
            try:
                await self.forwarder.forward(exchange, route, address, body)
            finally:
                exchange.context.spend("services", began_s)
                place.leave()
        if route.limit == "signed" and exchange.status in FORGED:
            # the answer has been sent; the count applies to the next request
            with contextlib.suppress(Problem):
                await self._gate.enter(route, counted_as, None)

    def _address_of(self, exchange: Exchange) -> str:
        client = exchange.scope.get("client")
        return self._addresses.of(
            client[0] if client else "", exchange.headers.lines(b"x-forwarded-for")
        )

    async def _let_in(self, exchange: Exchange, route: Route, counted_as: str) -> None:
        """Checks the token and the limits. Raises their refusals."""
        try:
            principal = await self._verify(exchange, route)
        except (
            Unauthenticated,
            Unavailable,
        ):  # Failed tokens count too: checking them costs us work.
            exchange.limits = await self._gate.enter(route, counted_as, None)
            raise
        if route.limit == "signed":
            exchange.caller = "provider"
        else:
            exchange.caller = caller_kind(principal.roles if principal is not None else None)
            began_s = time.perf_counter()
            exchange.limits = await self._gate.enter(route, counted_as, principal)
            exchange.context.spend("redis", began_s, "limits")

    async def _verify(self, exchange: Exchange, route: Route) -> Principal | None:
        """The caller, or None for an anonymous request. Raises InvalidToken or TokenExpired."""
        header = exchange.headers.get(b"authorization")
        if header is None or route.token_ignored:
            return None
        token = bearer_token(header.decode("latin-1"))
        if token is None:
            return None
        began_s = time.perf_counter()
        try:
            principal = await self._verifier.verify(token)
        finally:
            exchange.context.spend("auth", began_s)
        exchange.verified = Verified(self._verifier, principal)
        return principal

    def _is_reachable(self, path: str) -> bool:
        """True if the gateway forwards this OpenAPI path, whose parameters are in braces."""
        plain = path.replace("{", "").replace("}", "")
        judged = judge(plain.encode("ascii", "replace"))
        return judged is not None and self._routes.match(judged) is not None

    def _tell(self, exchange: Exchange) -> None:
        """Writes one log line and counts the request. 499: the client left before an answer."""
        seconds = time.perf_counter() - exchange.began_s
        status = exchange.status or 499
        method = exchange.known_method
        log.info(
            f"{method} {exchange.logged_path}", status=status, latency=f"{seconds * 1000:.0f}ms"
        )
        stream = is_stream(exchange.route)
        if seconds >= self._slow.threshold_s and not stream:
            self._slow.look(exchange.context, seconds, method=method, route=exchange.route)
        if self._tracer is not None:
            self._finish_trace(self._tracer, exchange, stream=stream)
        taken_s = None if stream else seconds
        caller, shed = exchange.caller, exchange.shed
        count_request(exchange.route, method, status, taken_s, caller, shed=shed)

    def _finish_trace(self, tracer: Tracer, exchange: Exchange, *, stream: bool) -> None:
        part = exchange.context.trace
        assert part is not None
        name, attributes, error = request_attributes(
            exchange.known_method,
            exchange.route if exchange.route != NO_ROUTE else "",
            exchange.status,
            **{"stampede.caller": exchange.caller},
        )
        tracer.finish(part, name, exchange.began_s, attributes, error=error, may_be_slow=not stream)


def _log_for(service: str, exchange: Exchange, status: int) -> None:
    """A kept answer in the log of the service whose it is: a request is followed through every log."""
    token = CURRENT.set(exchange.context.callee(service))
    logs.get(service).info("answered_as_kept", route=exchange.route, status=status)
    CURRENT.reset(token)
