"""Which service answers which path. Paths that are not listed here cannot be reached from outside.

Services declare their own routes; tests/architecture/test_routing.py compares this table with them.

A path is matched exactly as it arrived. Forms that a service could read as another path (`//`,
`/./`, percent-encoding, a backslash, bytes beyond ASCII) match nothing. So a service never sees a
route other than the one that was checked.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.parse import quote

import msgspec

from chassis.masking import masked_path
from contracts.identity import JWKS_PATH

Service = Literal["identity", "catalog", "booking", "notification"]
Limit = Literal["ip", "login", "refresh", "mail", "signed"]
Lane = Literal["general", "pay", "stream"]

API = "/api/v1"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PATH = re.compile(rb"/|(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?")
_PARAMETER = "{}"
_PATH_CHARACTERS = "/%!$&'()*+,;=:@~"
LOGGED_PATH_MAX = 200
TARGETS_MAX = 8_192  # paths that a process remembers, with KNOWN_LENGTH_MAX bytes each at most
KNOWN_LENGTH_MAX = 128


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One route of a service, as logs, metrics and limits see it.

    template: the path with named parameters. Their number is bounded, so a template can be a metric
    label.
    limit: a second limit by address, beside the one that every route has. `signed` has neither: all
    callbacks of a sale come from one address, so only refused ones count.
    lane: the places that it waits for (see gateway.protection.admission).
    token_ignored: an expired token is no reason to refuse; the client comes here for a new one.
    cookies: true if the service reads and sets cookies. All other routes neither receive nor set
    any.
    """

    service: Service
    template: str
    methods: frozenset[str] = frozenset()
    limit: Limit = "ip"
    lane: Lane = "general"
    token_ignored: bool = False
    cookies: bool = False


def _route(
    service: Service,
    methods: str,
    template: str,
    *,
    limit: Limit = "ip",
    lane: Lane = "general",
    token_ignored: bool = False,
    cookies: bool = False,
) -> Route:
    return Route(
        service=service,
        template=template if template == JWKS_PATH else API + template,
        methods=frozenset(methods.split()),
        limit=limit,
        lane=lane,
        token_ignored=token_ignored,
        cookies=cookies,
    )


ROUTES: tuple[Route, ...] = (
    _route("identity", "POST", "/auth/register", limit="login", token_ignored=True, cookies=True),
    _route("identity", "POST", "/auth/login", limit="login", token_ignored=True, cookies=True),
    _route("identity", "POST", "/auth/password/forgot", limit="mail", token_ignored=True),
    _route(
        "identity",
        "POST",
        "/auth/password/reset",
        limit="login",
        token_ignored=True,
        cookies=True,
    ),
    _route("identity", "POST", "/auth/password/change", limit="login", cookies=True),
    _route("identity", "POST", "/auth/refresh", limit="refresh", token_ignored=True),
    _route("identity", "POST", "/auth/logout"),
    _route("identity", "GET PATCH", "/auth/me"),
    _route("identity", "GET", JWKS_PATH, token_ignored=True),
    _route("catalog", "GET POST", "/venues"),
    _route("catalog", "PATCH DELETE", "/venues/{venue_id}"),
    _route("catalog", "GET POST", "/venues/{venue_id}/plans"),
    _route("catalog", "GET PUT DELETE", "/plans/{plan_id}"),
    _route("catalog", "GET", "/plans/{plan_id}/hall"),
    _route("catalog", "GET PUT", "/plans/{plan_id}/sections"),
    _route("catalog", "PUT", "/plans/{plan_id}/outlines"),
    _route("catalog", "GET POST", "/shows"),
    _route("catalog", "GET PATCH DELETE", "/shows/{show_id}"),
    _route("catalog", "GET POST", "/shows/{show_id}/sessions"),
    _route("booking", "GET POST", "/shows/{show_id}/promo-codes"),
    _route("booking", "PATCH", "/promo-codes/{promo_code_id}"),
    _route("catalog", "GET PATCH DELETE", "/sessions/{session_id}"),
    _route("catalog", "GET", "/sessions/{session_id}/seat-map"),
    _route("catalog", "GET", "/sessions/{session_id}/hall"),
    _route("catalog", "POST", "/sessions/{session_id}/publish"),
    _route("booking", "GET", "/sessions/{session_id}/seats"),
    _route("booking", "GET", "/sessions/{session_id}/seats/stream", lane="stream"),
    _route("booking", "POST", "/sessions/{session_id}/block"),
    _route("booking", "POST", "/sessions/{session_id}/unblock"),
    _route("booking", "GET", "/sessions/{session_id}/orders"),
    _route("booking", "GET", "/sessions/{session_id}/attendees"),
    _route("booking", "GET", "/sessions/{session_id}/sales"),
    _route("booking", "POST", "/sessions/{session_id}/cancel"),
    _route("booking", "GET", "/sessions/{session_id}/cancellation"),
    _route("booking", "GET POST", "/orders"),
    _route("booking", "GET", "/orders/{order_id}"),
    _route("booking", "POST", "/orders/{order_id}/pay", lane="pay"),
    _route("booking", "POST", "/orders/{order_id}/cancel"),
    _route("booking", "POST", "/orders/{order_id}/refund"),
    _route("booking", "GET", "/orders/{order_id}/refunds"),
    _route("booking", "GET", "/orders/{order_id}/events"),
    _route("booking", "GET", "/refunds"),
    _route("booking", "GET", "/refunds/{refund_id}"),
    _route("booking", "POST", "/refunds/{refund_id}/approve"),
    _route("booking", "POST", "/refunds/{refund_id}/reject"),
    _route("booking", "POST", "/refunds/{refund_id}/retry"),
    _route("booking", "GET", "/tickets"),
    _route("booking", "GET", "/tickets/{ticket_id}"),
    _route("booking", "POST", "/tickets/{ticket_id}/transfer"),
    _route("booking", "GET", "/tickets/{ticket_id}/qr.svg"),
    _route("booking", "GET", "/tickets/{ticket_id}/qr.png"),
    _route("booking", "GET", "/tickets/{ticket_id}/ticket.pdf"),
    _route("booking", "GET", "/payments/options", token_ignored=True),
    _route(
        "booking",
        "POST",
        "/payments/webhooks/{provider}",
        limit="signed",
        lane="pay",
        token_ignored=True,
    ),
    _route("booking", "GET", "/tickets/{ticket_id}/ticket.ics"),
    _route("booking", "GET", "/tickets/keys"),
    _route("booking", "GET", "/orders/{order_id}/calendar.ics"),
    # People wait at a door: like payments, scans do not queue behind an on-sale.
    _route("booking", "POST", "/check-ins", lane="pay"),
    _route("booking", "POST", "/check-ins/batch", lane="pay"),
    _route("booking", "GET", "/check-ins/sessions", lane="pay"),
    _route("booking", "GET", "/sessions/{session_id}/check-ins"),
    _route("booking", "GET", "/sessions/{session_id}/check-in-list"),
    _route("booking", "GET POST", "/sessions/{session_id}/staff"),
    _route("booking", "DELETE", "/sessions/{session_id}/staff/{user_id}"),
    # Whoever steers a sale does not queue behind it.
    _route("booking", "GET", "/operations/sessions/{session_id}/sale", lane="pay"),
    _route("booking", "POST", "/operations/sessions/{session_id}/pause", lane="pay"),
    _route("booking", "POST", "/operations/sessions/{session_id}/resume", lane="pay"),
    _route("booking", "PATCH", "/operations/sessions/{session_id}/limits", lane="pay"),
    _route("booking", "GET", "/operations/actions", lane="pay"),
    _route("booking", "GET", "/operations/dead-letters", lane="pay"),
    _route("booking", "GET", "/operations/traces", lane="pay"),
    _route("booking", "GET", "/operations/traces/{request_id}", lane="pay"),
    _route(
        "booking",
        "POST",
        "/operations/dead-letters/{service}/{consumer}/{event_id}/retry",
        lane="pay",
    ),
    # Whoever looks after a sale must see it: they do not queue behind it.
    _route("booking", "GET", "/operations/wall", lane="stream"),
    _route("booking", "GET", "/operations/wall/snapshot", lane="pay"),
    _route("notification", "GET POST", "/webhook-endpoints"),
    _route("notification", "GET PATCH DELETE", "/webhook-endpoints/{endpoint_id}"),
    _route("notification", "POST", "/webhook-endpoints/{endpoint_id}/rotate-secret"),
    _route("notification", "POST", "/webhook-endpoints/{endpoint_id}/test"),
    _route("notification", "GET", "/webhook-endpoints/{endpoint_id}/deliveries"),
    _route("notification", "GET", "/webhook-endpoints/deliveries/{delivery_id}"),
    _route("notification", "POST", "/webhook-endpoints/deliveries/{delivery_id}/resend"),
)
# Other paths of a service below these prefixes are forwarded too, under one template each.
SHARES: dict[tuple[str, ...], Service] = {
    ("api", "v1", "auth"): "identity",
    ("api", "v1", "venues"): "catalog",
    ("api", "v1", "plans"): "catalog",
    ("api", "v1", "shows"): "catalog",
    ("api", "v1", "sessions"): "catalog",
    ("api", "v1", "orders"): "booking",
    ("api", "v1", "tickets"): "booking",
    ("api", "v1", "payments"): "booking",
    ("api", "v1", "promo-codes"): "booking",
    ("api", "v1", "check-ins"): "booking",
    ("api", "v1", "refunds"): "booking",
    ("api", "v1", "operations"): "booking",
    ("api", "v1", "webhook-endpoints"): "notification",
}


class Target(NamedTuple):
    """What a raw path says.

    path: as text, quoted unless it is plain (see `judge`), so it can stand in logs and problems.
    route: None for a path that no service has.
    logged: how logs show it, shortened and without likely secrets.
    """

    path: str
    is_plain: bool
    segments: Sequence[str]
    route: Route | None
    logged: str


class Routes:
    """`find(raw_path)` returns the Target, `match(path)` the Route or None. `demo` opens the mailbox."""

    def __init__(self, *, demo: bool, table: Sequence[Route] = ROUTES) -> None:
        self._words = frozenset(word for route in table for word in _words_of(route.template))
        self._by_shape = {self._shape(_segments(route.template)): route for route in table}
        shares = dict(SHARES)
        if demo:
            shares[("dev", "mailbox")] = shares[("dev", "mailbox.json")] = "notification"
        self._shares = {
            share: Route(service=service, template=f"/{'/'.join(share)}/*")
            for share, service in shares.items()
        }

        self._known = lru_cache(TARGETS_MAX)(self._look_up)

    def find(self, raw_path: bytes) -> Target:
        """Looked up once: an on-sale is about few paths."""
        return (self._known if len(raw_path) <= KNOWN_LENGTH_MAX else self._look_up)(raw_path)

    def _look_up(self, raw_path: bytes) -> Target:
        judged = judge(raw_path)
        path = judged or quote(raw_path, safe=_PATH_CHARACTERS)
        masked = masked_path(path)
        logged = masked if len(masked) <= LOGGED_PATH_MAX else masked[:LOGGED_PATH_MAX] + "..."
        route = None if judged is None else self.match(path)
        return Target(path, judged is not None, _segments(path), route, logged)

    def match(self, path: str) -> Route | None:
        segments = _segments(path)
        found = self._by_shape.get(self._shape(segments))
        if found is not None:
            return found
        shares = self._shares
        return shares.get(tuple(segments[:3])) or shares.get(tuple(segments[:2]))

    def _shape(self, segments: Iterable[str]) -> tuple[str, ...]:
        words = self._words
        return tuple([one if one in words else _PARAMETER for one in segments])


def judge(raw_path: bytes) -> str | None:
    """The path as text, without a trailing slash. None if it is not a plain path."""
    if not _PATH.fullmatch(raw_path):
        return None
    path = raw_path.decode("ascii")
    if "/." in path and not {".", ".."}.isdisjoint(path.split("/")):
        return None
    return path.rstrip("/") or "/"


def _segments(path: str) -> list[str]:
    return path[1:].split("/")


def _words_of(template: str) -> list[str]:
    return [segment for segment in _segments(template) if not segment.startswith("{")]
