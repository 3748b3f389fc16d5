"""A service as a Litestar app: the same context, access rules, errors and probes for all of them.

    app = service_app("catalog", wiring, routes=[...], lifespan=lifespan, ready=ready)

Routes carry their public path (`/api/v1/shows`), so the gateway forwards without rewriting. What
other services call lives under `/internal/`, which the gateway never forwards.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.di import Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.config import OpenAPIConfig
from litestar.types import ASGIApp, Receive, Send
from prometheus_client import CONTENT_TYPE_LATEST

from chassis import settings
from chassis.auth.access import INTERNAL, access, authorize, provide_principal
from chassis.auth.tokens import Verifier
from chassis.context import CURRENT, RequestContext, current, from_headers
from chassis.http.completion import RequestCompletion, must_complete
from chassis.http.fast_path import FastRoute, StraightWays, json_or_empty
from chassis.http.openapi import describe
from chassis.http.readiness import Readiness
from chassis.http.streams import is_stream
from chassis.masking import masked_path
from chassis.observability import logs
from chassis.observability.exposition import Exposition
from chassis.observability.slow import SlowRequests
from chassis.observability.tracer import Tracer, request_attributes
from chassis.postgres.pool import ROLLED_BACK
from chassis.problems import (
    CONTENT_TYPE,
    FieldError,
    Forbidden,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    Problem,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)
from chassis.seam.direct import Call, Reply
from chassis.seam.upstream import send_problem
from chassis.wiring import Wiring

BODY_MAX_BYTES = 1_048_576
PROBLEM_TYPE = CONTENT_TYPE.encode("ascii")
STATUS = "stampede.status"  # of the answer, in the scope of a traced request
BY_STATUS: dict[int, type[Problem]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
}

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]
Ready = Callable[[Litestar], Awaitable[dict[str, bool]]]


def service_app(
    name: str,
    wiring: Wiring,
    *,
    routes: Sequence[Any],
    lifespan: Lifespan,
    ready: Ready,
    is_open: Callable[[Litestar], bool] = lambda _: True,
) -> Litestar:
    """The app of one service. `ready(app)` lists each dependency and whether it answers; `is_open(app)`
    says whether its own pools can be used."""
    app = ServiceApp(
        route_handlers=[*routes, *_operations(name)],
        lifespan=[lifespan, _finished],
        dependencies={"principal": Provide(provide_principal)},
        middleware=[_admission(wiring.verifier)],
        exception_handlers={
            Problem: _render,
            **dict.fromkeys(ROLLED_BACK, _render_rolled_back),
            HTTPException: _render_litestar,
            Exception: _render_bug,
        },
        openapi_config=OpenAPIConfig(
            title=name, version="1", render_plugins=[], path="/internal/schema"
        ),
        request_max_body_size=BODY_MAX_BYTES,
        logging_config=None,
        opt={"service": name},
    )
    app.straight = StraightWays(app, wiring.verifier, app.serve_direct)
    app.completion = RequestCompletion()
    app.slow = SlowRequests(name, wiring.settings.slow_request_ms)
    app.tracer = wiring.tracer
    app.readiness = Readiness(name, lambda: ready(app), wiring.drain, is_open=lambda: is_open(app))
    return app


def _operations(name: str) -> list[Any]:
    exposition = Exposition(settings.metrics_dir())

    @get("/healthz", opt=access(INTERNAL), include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "service": name}

    @get("/readyz", opt=access(INTERNAL), include_in_schema=False)
    async def readyz(request: Request[Any, Any, Any]) -> dict[str, Any]:
        app: Any = request.app
        body: dict[str, Any] = await app.readiness.answer(request.scope["query_string"])
        return body

    @get("/metrics", opt=access(INTERNAL), include_in_schema=False)
    async def metrics() -> Response[bytes]:
        return Response(await exposition.text(), media_type=CONTENT_TYPE_LATEST)

    @get("/internal/openapi.json", opt=access(INTERNAL), include_in_schema=False)
    async def openapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return describe(request.app)

    return [healthz, readyz, metrics, openapi]


class ServiceApp(Litestar):
    """Everything that a service does for a request runs in that request's context."""

    straight: StraightWays
    completion: RequestCompletion
    readiness: Readiness
    slow: SlowRequests
    tracer: Tracer | None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if must_complete(scope):
            await self.completion.run(self._serve(scope, receive, send))
        else:
            await self._serve(scope, receive, send)

    def ways(self) -> Mapping[tuple[str, str], FastRoute]:
        """For the gateway in this process: see chassis.seam.direct."""
        return self.straight.by_template

    async def serve_direct(
        self, way: FastRoute, call: Call, arguments: dict[str, Any], context: RequestContext
    ) -> Reply:
        """A call of this process. `context`: of the service's part of the request."""
        began_s = time.perf_counter()
        token = CURRENT.set(context)
        status = 0
        try:
            reply = await self._answer(way, call, arguments)
            status = reply.status
            return reply
        finally:
            self._finish(context, call, way.template, status, began_s)
            CURRENT.reset(token)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        began_s = time.perf_counter()
        context = from_headers(scope["headers"])
        if self.tracer is not None:
            self.tracer.enter(context, self.opt["service"], scope["headers"])
            send = _noting_status(scope, send)
        token = CURRENT.set(context)
        try:
            call = Call.of(scope)
            found = self.straight.find(call) if call is not None else None
            if call is None or found is None:
                await super().__call__(scope, receive, send)
            else:
                way, arguments = found
                scope["path_template"] = way.template
                await _send_reply(send, await self._answer(way, call, arguments, receive))
        finally:
            route = scope.get("path_template") or ""
            asked = call or Call(scope["method"], scope["path"], b"", {})
            self._finish(context, asked, route, scope.get(STATUS, 0), began_s)
            CURRENT.reset(token)

    def _finish(
        self, context: RequestContext, call: Call, route: str, status: int, began_s: float
    ) -> None:
        """The service's part of a request has ended: is it slow, and what does its trace get?"""
        seconds = time.perf_counter() - began_s
        if seconds >= self.slow.threshold_s and not is_stream(call.path):
            self.slow.look(context, seconds, path=masked_path(call.path)[:200])
        if context.trace is not None and self.tracer is not None:
            name, attributes, error = request_attributes(call.method, route, status)
            slow = not call.path.endswith("/stream")
            self.tracer.finish(
                context.trace, name, began_s, attributes, error=error, may_be_slow=slow
            )

    async def _answer(
        self,
        way: FastRoute,
        call: Call,
        arguments: dict[str, Any],
        receive: Any = None,
    ) -> Reply:
        try:
            return await way.answer(call, arguments, receive)
        except Problem as problem:
            return problem_reply(problem, call.path)
        except ROLLED_BACK as undone:
            return problem_reply(_busy(self.opt["service"], call.path, undone), call.path)
        except Exception as bug:
            logs.get(self.opt["service"]).error("unexpected_error", path=call.path, exc_info=bug)
            return problem_reply(InternalError(), call.path)


def problem_reply(problem: Problem, path: str) -> Reply:
    body = problem.render(path, current().request_id)
    headers = [(b"content-type", PROBLEM_TYPE), (b"content-length", b"%d" % len(body))]
    headers += [(k.lower().encode(), v.encode("latin-1")) for k, v in problem.headers.items()]
    return Reply(problem.status, headers, body)


def _noting_status(scope: Any, send: Any) -> Any:
    """`send`, which notes the status in the scope for the trace."""
    scope[STATUS] = 0

    async def send_on(message: Any) -> None:
        if message["type"] == "http.response.start":
            scope[STATUS] = message["status"]
        await send(message)

    return send_on


async def _send_reply(send: Any, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    body = reply.body
    if not isinstance(body, bytes):
        async for piece in body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        body = b""
    await send({"type": "http.response.body", "body": body, "more_body": False})


@asynccontextmanager
async def _finished(app: Litestar) -> AsyncIterator[None]:
    """Runs inside the service's lifespan, whose pools are still open when this ends."""
    yield
    if isinstance(app, ServiceApp):
        await app.completion.drain()


def _admission(verifier: Verifier) -> Any:
    """Wraps every handler: who may call it, what it accepts, and how its problems are answered.

    A middleware instead of a guard with exception handlers: Litestar copies the handler for each guard
    and searches all layers for each exception, which cost a refused request a sixth of its time.
    """

    def admission(app: ASGIApp) -> ASGIApp:
        async def admitted(scope: Any, receive: Receive, send: Send) -> None:
            started = False

            async def send_on(message: Any) -> None:
                nonlocal started
                started = True
                await send(message)

            try:
                if scope["type"] == "http":
                    opt, headers = scope["route_handler"].opt, dict(scope["headers"])
                    changes = scope["method"] in {"POST", "PUT", "PATCH"}
                    takes = opt.get("takes") if changes else None
                    if changes and takes is None and not json_or_empty(headers):
                        raise UnsupportedMediaType()
                    await authorize(scope, verifier, opt)
                    if takes is not None and not _is_of(takes, headers):
                        raise UnsupportedMediaType(f"Send the body as {takes}.")
                await app(scope, receive, send_on)
            except Problem as problem:
                if started:
                    raise
                await send_problem(scope, send, problem)  # type: ignore[arg-type]

        return admitted

    return admission


def _is_of(kind: str, headers: dict[bytes, bytes]) -> bool:
    """Whether a body is declared as of this media type."""
    sent = headers.get(b"content-type", b"").split(b";", 1)[0].strip().lower()
    return sent == kind.encode("ascii")


def _answer(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    return Response(
        problem.render(request.url.path, current().request_id),
        status_code=problem.status,
        media_type=CONTENT_TYPE,
        headers=problem.headers,
    )


def _render(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    return _answer(request, problem)


def _render_rolled_back(request: Request[Any, Any, Any], undone: Exception) -> Response[bytes]:
    name = request.app.opt.get("service", "service")
    return _answer(request, _busy(name, request.url.path, undone))


def _busy(service: str, path: str, undone: Exception) -> Overloaded:
    """Nothing has happened, and a retry may succeed: not a defect, so not a 500."""
    logs.get(service).warning("rolled_back", path=path, reason=repr(undone))
    return Overloaded("The database is too busy.")


def _render_litestar(request: Request[Any, Any, Any], refused: HTTPException) -> Response[bytes]:
    kind = BY_STATUS.get(refused.status_code)
    if kind is not None:
        return _answer(request, kind(headers=refused.headers))
    if refused.status_code >= 500:
        return _render_bug(request, refused)
    return _answer(request, validation_problem(refused))


def _render_bug(request: Request[Any, Any, Any], bug: Exception) -> Response[bytes]:
    name = request.app.opt.get("service", "service")
    logs.get(name).error("unexpected_error", path=request.url.path, exc_info=bug)
    return _answer(request, InternalError())


def validation_problem(refused: HTTPException) -> ValidationFailed:
    """Litestar's errors about query and path parameters, as field errors."""
    errors: list[FieldError] = []
    if isinstance(refused, ValidationException) and isinstance(refused.extra, list):
        for finding in refused.extra:
            message = str(finding.get("message", "is not valid"))
            errors.append(FieldError(field=str(finding.get("key") or ""), message=message))
    return ValidationFailed("" if errors else refused.detail, errors=errors)
