"""Who may call a route. A route that does not say so refuses everybody.

Handlers set `opt=access(PUBLIC)`, `opt=access(LOGGED_IN)` or `opt=access("organizer", "admin")`. They
also list the problems that a client must handle: `opt=access(LOGGED_IN, problems=(SoldOut,))`.
"""

from collections.abc import Mapping
from typing import Any

from litestar import Request

from chassis.auth.tokens import Principal, Verifier, bearer_token
from chassis.problems import Forbidden, Problem, Unauthenticated

PUBLIC = "public"  # anybody; a valid token is still read if one is sent
LOGGED_IN = "logged-in"
TOKEN_IGNORED = "token-ignored"  # with PUBLIC: even an expired token is no reason to refuse
INTERNAL = "internal"  # other services only: the gateway does not forward these
ORGANIZERS = ("organizer", "admin")  # roles; Principal.may_manage checks ownership
OPERATORS = ("operator", "admin")  # roles of whoever runs the platform on the night of a sale
PRINCIPAL = "stampede.principal"
_ANYBODY = frozenset({PUBLIC, LOGGED_IN})


def access(
    *who: str,
    problems: tuple[type[Problem], ...] = (),
    body: type[Any] | None = None,
    straight: bool = False,
    csv: str | None = None,
    takes: str | None = None,
) -> dict[str, Any]:
    """`opt` of a handler: PUBLIC, LOGGED_IN, INTERNAL or role names.

    problems: beside those that every route may raise (see chassis.http.openapi).
    body: the struct that the JSON body is decoded to (see chassis.http.bodies).
    straight: true for the few routes that an on-sale consists of (see chassis.http.fast_path).
    csv: a description of the answer as CSV, if the route has that form too.
    takes: the media type of its body, if that is not JSON.
    """
    return {
        "access": frozenset(who),
        "problems": problems,
        "body": body,
        "straight": straight,
        "csv": csv,
        "takes": takes,
    }


class Rule:
    """Who may call a handler, from its `opt`. `looks`: False if it does not matter who calls."""

    __slots__ = ("_allowed", "_by_role", "_for_all", "looks")

    def __init__(self, allowed: frozenset[str] | None) -> None:
        self._allowed = allowed
        self._for_all = allowed is not None and PUBLIC in allowed
        self._by_role = allowed is not None and allowed.isdisjoint(_ANYBODY)
        self.looks = allowed is None or allowed.isdisjoint((INTERNAL, TOKEN_IGNORED))

    @classmethod
    def of(cls, opt: Mapping[str, Any]) -> "Rule":
        return cls(opt.get("access"))

    def check(self, principal: Principal | None) -> None:
        """Raises Unauthenticated for nobody and Forbidden for a role that may not call it."""
        if self._allowed is None:
            raise Forbidden("This route allows no caller.")
        if principal is None:
            if not self._for_all:
                raise Unauthenticated()
        elif self._by_role and not principal.roles & self._allowed:
            raise Forbidden()


async def authorize(scope: Any, verifier: Verifier, opt: Mapping[str, Any]) -> Principal | None:
    """Sets the Principal for `principal` dependencies, or refuses the call. `opt`: the handler's."""
    rule = Rule.of(opt)
    if "access" not in opt:
        rule.check(None)
    if not rule.looks:
        return None
    header = next((value for name, value in scope["headers"] if name == b"authorization"), None)
    token = bearer_token(header.decode("latin-1")) if header is not None else None
    principal = await verifier.verify(token) if token is not None else None
    if principal is not None:
        scope[PRINCIPAL] = principal
    rule.check(principal)
    return principal


async def provide_principal(request: Request[Any, Any, Any]) -> Principal:
    """Dependency `principal`: the caller. Only for routes that need a login."""
    principal: Principal | None = request.scope.get(PRINCIPAL)  # type: ignore[assignment]
    if principal is None:
        raise Unauthenticated()
    return principal
