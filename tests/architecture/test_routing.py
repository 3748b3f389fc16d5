"""The gateway's table of routes is what the services declare: each path to the service that has it."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from chassis import settings
from chassis.auth.access import INTERNAL
from gateway.routing import ROUTES, Route, Routes
from runtime.compose import compose

NOBODY_LISTENS = {
    "STAMPEDE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "STAMPEDE_REDIS_URL": "redis://127.0.0.1:1",
}
ADDED_BY_LITESTAR = {"OPTIONS"}
WITHOUT_ROWS = "/dev/"  # the mailbox of the demo goes by its share


class Declared(msgspec.Struct, frozen=True):
    """A path of one service, as its handlers declare it."""

    service: str
    path: str
    methods: frozenset[str]
    internal: bool


@pytest.fixture(scope="module")
def declared() -> list[Declared]:
    """Of all services: built as they are for a process, but not started."""
    apps = compose(settings.load(NOBODY_LISTENS)).apps
    return [_declared(name, route) for name, app in apps.items() for route in app.routes]


def test_every_route_of_a_service_is_in_the_gateways_table_and_no_other_is(
    declared: list[Declared],
) -> None:
    assert differences(ROUTES, declared) == []
    assert len(declared) > len(ROUTES)


def test_what_services_say_only_to_each_other_is_not_forwarded(declared: list[Declared]) -> None:
    routes = Routes(demo=True)
    internal = [one for one in declared if one.internal]
    assert {one.service for one in internal} == {one.service for one in declared}
    assert [one for one in internal if routes.match(one.path) is not None] == []


def test_a_row_that_is_missing_is_found(declared: list[Declared]) -> None:
    """Without it, its share's service would be asked: catalog for a report of booking's."""
    table = [route for route in ROUTES if route.template != "/api/v1/sessions/{session_id}/sales"]
    (found,) = differences(table, declared)
    assert found == "/api/v1/sessions/{session_id}/sales of booking goes to catalog"
    table = [route for route in ROUTES if route.template != "/api/v1/orders/{order_id}/pay"]
    (found,) = differences(table, declared)
    assert found == "/api/v1/orders/{order_id}/pay of booking has no row"
    table = [route for route in ROUTES if route.service != "identity"]
    assert "/.well-known/jwks.json of identity is not forwarded" in differences(table, declared)


def test_a_row_that_names_the_wrong_service_is_found(declared: list[Declared]) -> None:
    assert differences(_with("/api/v1/tickets/keys", service="identity"), declared) == [
        "/api/v1/tickets/keys of booking goes to identity",
        "/api/v1/tickets/keys is not declared by identity",
    ]


def test_a_row_with_other_methods_or_parameters_is_found(declared: list[Declared]) -> None:
    (found,) = differences(_with("/api/v1/venues", methods=frozenset({"GET"})), declared)
    assert found == "/api/v1/venues of catalog takes GET POST, its row GET"
    named = _with("/api/v1/refunds/{refund_id}", template="/api/v1/refunds/{id}")
    assert differences(named, declared) == [
        "/api/v1/refunds/{refund_id} of booking has no row",
        "/api/v1/refunds/{id} is not declared by booking",
    ]


def test_a_row_of_a_route_that_nobody_declares_is_found(declared: list[Declared]) -> None:
    gone = Route(service="booking", template="/api/v1/orders/{order_id}/receipt")
    assert differences([*ROUTES, gone], declared) == [
        "/api/v1/orders/{order_id}/receipt is not declared by booking"
    ]


def differences(table: Sequence[Route], declared: Sequence[Declared]) -> list[str]:
    """In a sentence each, where the table and the services disagree."""
    routes = Routes(demo=True, table=table)
    public = [one for one in declared if not one.internal]
    found = [problem for one in public if (problem := _problem(one, routes.match(one.path)))]
    known = {(one.service, one.path) for one in public}
    return found + [
        f"{route.template} is not declared by {route.service}"
        for route in table
        if (route.service, route.template) not in known
    ]


def _problem(one: Declared, route: Route | None) -> str | None:
    what = f"{one.path} of {one.service}"
    if route is None:
        return f"{what} is not forwarded"
    if route.service != one.service:
        return f"{what} goes to {route.service}"
    if one.path.startswith(WITHOUT_ROWS):
        return None
    if route.template != one.path:
        return f"{what} has no row"
    if route.methods != one.methods:
        return f"{what} takes {_listed(one.methods)}, its row {_listed(route.methods)}"
    return None


def _declared(service: str, route: Any) -> Declared:
    internal = [INTERNAL in (handler.opt.get("access") or ()) for handler in route.route_handlers]
    return Declared(
        service,
        route.path_format,
        frozenset(map(str, route.methods)) - ADDED_BY_LITESTAR,
        route.path_format.startswith("/internal/") or any(internal),
    )


def _with(template: str, /, **changes: Any) -> list[Route]:
    return [
        msgspec.structs.replace(route, **changes) if route.template == template else route
        for route in ROUTES
    ]


def _listed(methods: frozenset[str]) -> str:
    return " ".join(sorted(methods))
