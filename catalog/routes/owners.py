"""What the organizers' routes share: the caller, and idempotency keys."""

from typing import Annotated, Any

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import HeaderParameter

from catalog.domain.ownership import Viewer
from catalog.routes.parameters import catalog_of
from chassis.auth.tokens import Principal
from chassis.http.idempotency import Effect, once
from chassis.problems import IdempotencyInFlight, IdempotencyKeyReused

WHO = ("organizer", "admin")
Asker = NamedDependency[Principal]
ONCE = (IdempotencyInFlight, IdempotencyKeyReused)
Key = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="A repeated request with the same key and body gets the same answer.",
    ),
]


def owner(principal: Principal) -> Viewer:
    return Viewer(principal.user_id, "admin" in principal.roles)


async def once_by_key(
    request: Request[Any, Any, Any],
    principal: Principal,
    *,
    key: str | None,
    body: Any,
    effect: Effect,
    status: int = 201,
) -> Response[bytes]:
    """Runs the POST once per key. A key belongs to the operation and its parameters, not to the path: a
    path can be written in several ways (an id in capitals, without hyphens)."""
    parameters = map(str, request.path_params.values())
    return await once(
        catalog_of(request).pool,
        user_id=principal.user_id,
        route=" ".join([request.route_handler.handler_name, *parameters]),
        key=key,
        body=body,
        status=status,
        effect=effect,
    )
