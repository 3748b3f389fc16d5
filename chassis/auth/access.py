"""Who may call a route. Deny by default: a route that does not say is refused to everybody.

Handlers say it by `opt=access(PUBLIC)`, `opt=access(LOGGED_IN)` or `opt=access("organizer", "admin")`,
and there too which problems a client must be ready for: `opt=access(LOGGED_IN, problems=(SoldOut,))`.
"""

from collections.abc import Mapping
from typing import Any

from litestar import Request

from chassis.auth.tokens import Principal, Verifier, bearer_token
from chassis.problems import Forbidden, Problem, Unauthenticated

PUBLIC = "public"  # anybody; a good token is still read when one is sent
LOGGED_IN = "logged-in"
TOKEN_IGNORED = "token-ignored"  # beside PUBLIC: not even an expired token is a reason to refuse
INTERNAL = "internal"  # other services only: the gateway forwards none of these
ORGANIZERS = ("organizer", "admin")  # whose it is, Principal.may_manage says
PRINCIPAL = "stampede.principal"
_ANYBODY = frozenset({PUBLIC, LOGGED_IN})


def access(
    *who: str,
    problems: tuple[type[Problem], ...] = (),
    body: type[Any] | None = None,
    straight: bool = False,
    csv: str | None = None,
) -> dict[str, Any]:
    """`opt` of a handler: PUBLIC, LOGGED_IN, INTERNAL or role names.

    problems: what it may refuse with beyond what every route may (see chassis.http.openapi).
    body: the struct that its JSON body is decoded to (see chassis.http.bodies).
    straight: whether it is one of the few that an on-sale is made of (see chassis.http.fast_path).
    csv: what its answer is as CSV, for one that has that form too.
    """
    return {
        "access": frozenset(who),
        "problems": problems,
        "body": body,
        "straight": straight,
        "csv": csv,
    }


async def authorize(scope: Any, verifier: Verifier, opt: Mapping[str, Any]) -> Principal | None:
    """Puts the Principal where `principal` dependencies find it, or refuses. `opt`: the handler's."""
    allowed = opt.get("access")
    if allowed is None:
        raise Forbidden("This route names nobody who may call it.")
    if INTERNAL in allowed or TOKEN_IGNORED in allowed:
        return None
    header = next((value for name, value in scope["headers"] if name == b"authorization"), None)
    token = bearer_token(header.decode("latin-1")) if header is not None else None
    if token is None:
        if PUBLIC not in allowed:
            raise Unauthenticated()
        return None
    principal = scope[PRINCIPAL] = await verifier.verify(token)
    if allowed.isdisjoint(_ANYBODY) and not principal.roles & allowed:
        raise Forbidden()
    return principal


async def provide_principal(request: Request[Any, Any, Any]) -> Principal:
    """Dependency `principal`: who asks. Only for routes that need a login."""
    principal: Principal | None = request.scope.get(PRINCIPAL)  # type: ignore[assignment]
    if principal is None:
        raise Unauthenticated()
    return principal
