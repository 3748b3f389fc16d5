"""Who may call a route. Deny by default: a route that does not say is refused to everybody.

Handlers say it by `opt=access(PUBLIC)`, `opt=access(LOGGED_IN)` or `opt=access("organizer", "admin")`,
and there too which problems a client must be ready for: `opt=access(LOGGED_IN, problems=(SoldOut,))`.
"""

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from chassis.problems import Forbidden, Problem, Unauthenticated
from chassis.tokens import Principal, Verifier, bearer_token

PUBLIC = "public"  # anybody; a good token is still read when one is sent
LOGGED_IN = "logged-in"
TOKEN_IGNORED = "token-ignored"  # beside PUBLIC: not even an expired token is a reason to refuse
INTERNAL = "internal"  # other services only: the gateway forwards none of these
PRINCIPAL = "stampede.principal"


def access(
    *who: str, problems: tuple[type[Problem], ...] = (), body: type[Any] | None = None
) -> dict[str, Any]:
    """`opt` of a handler: PUBLIC, LOGGED_IN, INTERNAL or role names.

    problems: what it may refuse with beyond what every route may (see chassis.openapi).
    body: the struct that its JSON body is decoded to (see chassis.body).
    """
    return {"access": frozenset(who), "problems": problems, "body": body}


def authorize(verifier: Verifier) -> Any:
    """The guard of a whole service app. Puts the Principal where `principal` dependencies find it."""

    async def guard(
        connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        allowed = handler.opt.get("access")
        if allowed is None:
            raise Forbidden("This route names nobody who may call it.")
        if INTERNAL in allowed or TOKEN_IGNORED in allowed:
            return
        token = bearer_token(connection.headers.get("authorization"))
        if token is not None:
            connection.scope[PRINCIPAL] = await verifier.verify(token)  # type: ignore[literal-required]
        elif PUBLIC not in allowed:
            raise Unauthenticated()
        if allowed & {PUBLIC, LOGGED_IN}:
            return
        principal: Principal = connection.scope[PRINCIPAL]  # type: ignore[literal-required]
        if not principal.roles & allowed:
            raise Forbidden()

    return guard


async def provide_principal(request: Request[Any, Any, Any]) -> Principal:
    """Dependency `principal`: who asks. Only for routes that need a login."""
    principal: Principal | None = request.scope.get(PRINCIPAL)  # type: ignore[assignment]
    if principal is None:
        raise Unauthenticated()
    return principal
