"""PromQL in files (alerts, dashboards), compared with what the platform exports.

    vocabulary = Vocabulary.of_the_page()           # docs/metrics.md, and what Prometheus itself makes
    vocabulary.complaints('rate(stampede_holds_total{outcome="hold"}[5m])')
    → ['stampede_holds_total has no outcome "hold"']

A name, a label and a label's value that nobody exports are complaints: the expression would be silent for
ever. Values are the code's own constants; labels whose values operators give (a provider, a node) take any.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import promql_parser
from promql_parser import MatchOp

from booking.audit.checks import REDIS
from booking.audit.store import INVARIANTS
from booking.domain.payment import PaymentState
from booking.events.metrics import CANCEL_REASONS, RETURN_REASONS
from booking.events.metrics import OTHER as OTHER_REASON
from booking.payments.metrics import CALLBACK_OUTCOMES
from chassis.http.measuring import METHODS, NO_ROUTE, OTHER, STATUS_CLASSES
from chassis.problems import Problem
from gateway.metrics import CALLERS
from gateway.protection.admission import LANES
from gateway.routing import ROUTES
from tests.support.metrics import page

# `le` is of histograms alone, and `job` and `instance` are what a scrape adds.
OF_A_SCRAPE = frozenset({"job", "instance"})
OF_PROMETHEUS = {
    "up": OF_A_SCRAPE,
    "scrape_duration_seconds": OF_A_SCRAPE,
    "scrape_samples_scraped": OF_A_SCRAPE,
    "ALERTS": frozenset({"alertname", "alertstate", "severity"}),
}
OF_PYTHON = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
)
SUFFIXES = ("_bucket", "_sum", "_count")
SERVICES = frozenset({"identity", "catalog", "booking", "notification"})
CONSUMERS = frozenset({"catalog", "notification"})


def _codes(problem: type[Problem] = Problem) -> Iterator[str]:
    yield problem.code
    for below in problem.__subclasses__():
        yield from _codes(below)


CODES = frozenset(_codes())  # of all services, since this module imports booking

# Of every metric that has the label, unless the metric is named below. None: whoever runs the platform names
# these, or there are too many of them.
VALUES: Mapping[str, frozenset[str] | None] = {
    "caller": frozenset(CALLERS),
    "coalescer": None,
    "consumer": CONSUMERS,
    "instance": None,
    "file": None,
    "invariant": frozenset({*INVARIANTS, REDIS}),
    "job": frozenset({"gateway", "worker", "identity", "catalog", "booking", "notification"}),
    "kind": frozenset({"new", "tried"}),
    "lane": frozenset({*LANES, "unread"}),
    "le": None,
    "method": METHODS | {OTHER},
    "node": None,
    "policy": frozenset({"ip", "login", "mail", "refresh", "refused", "user"}),
    "pool": SERVICES,
    "process": SERVICES | {"gateway", "worker", "up"},
    "provider": None,
    "queue": frozenset({"booking", "catalog", "identity", "nats"}),
    "route": frozenset({route.template for route in ROUTES} | {NO_ROUTE}),
    "schema": frozenset({"booking"}),
    "service": SERVICES,
    "session": None,
    "signal": frozenset({"spans", "metrics"}),
    "source": frozenset({"booking", "catalog", "identity"}),
    "standby": None,
    "status": frozenset(str(status) for status in range(100, 600)),
    "what": frozenset(
        {
            *("money", "seats", "redis", "standbys", "keys", "certificates", "audit"),
            *("messages", "webhooks", "token_keys", "consumer_lag"),
        }
    ),
    "status_class": frozenset({*STATUS_CLASSES.values(), OTHER}),
    "alertname": None,
    "alertstate": frozenset({"pending", "firing"}),
    "severity": frozenset({"page", "ticket"}),
}
VALUES_OF: Mapping[tuple[str, str], frozenset[str] | None] = {
    ("stampede_gateway_failures_total", "kind"): frozenset({"failed", "shed"}),
    ("stampede_holds_total", "outcome"): frozenset(
        {"held", "sold_out", "taken", "no_accessible", "limit_reached", "repeated", "unavailable"}
    ),
    ("stampede_orders_total", "state"): frozenset(
        {"created", "paid", "completed", "cancelled", "refunded"}
    ),
    ("stampede_orders_total", "reason"): frozenset({*CANCEL_REASONS, OTHER_REASON, ""}),
    ("stampede_orders_refused_total", "reason"): CODES | {"other"},
    ("stampede_session_seats", "state"): None,
    ("stampede_seat_changes_total", "change"): frozenset(
        {"held", "sold", "released", "blocked", "unblocked"}
    ),
    ("stampede_tickets_total", "change"): frozenset({"issued", "transferred", "checked_in"}),
    ("stampede_payments_returned_total", "reason"): frozenset({*RETURN_REASONS, OTHER_REASON}),
    ("stampede_payment_callbacks_total", "outcome"): frozenset(CALLBACK_OUTCOMES),
    ("stampede_payments_total", "state"): frozenset(state.value for state in PaymentState),
    ("stampede_provider_call_seconds", "call"): frozenset({"charge", "refund", "look_up"}),
    ("stampede_provider_call_seconds", "outcome"): frozenset(
        {"succeeded", "declined", "pending", "failed", "unanswered", "unknown"}
    ),
    ("stampede_refunds_total", "state"): frozenset(
        {"requested", "approved", "rejected", "succeeded", "failed"}
    ),
    ("stampede_dead_letters_rows", "state"): frozenset({"waiting", "dead"}),
    ("stampede_dead_letters_oldest_age_seconds", "state"): frozenset({"waiting", "dead"}),
    ("stampede_event_retries_total", "outcome"): frozenset({"applied", "failed", "dead"}),
    ("stampede_messages_oldest_due_age_seconds", "kind"): frozenset({"any"}),
    ("stampede_webhook_deliveries_oldest_due_age_seconds", "kind"): frozenset({"any"}),
    ("stampede_messages_total", "outcome"): frozenset({"sent", "skipped", "failed", "dead"}),
    ("stampede_messages_total", "channel"): frozenset({"email", "sms"}),
    ("stampede_webhook_attempts_total", "outcome"): frozenset({"delivered", "failed", "given_up"}),
    ("stampede_data_directory_free_bytes", "kind"): frozenset({"data_dir"}),
    ("stampede_data_directory_size_bytes", "kind"): frozenset({"data_dir"}),
    ("stampede_postgres_standbys", "state"): frozenset(
        {"startup", "catchup", "streaming", "backup", "stopping", "unknown", "none"}
    ),
    ("stampede_postgres_standbys", "sync_state"): frozenset(
        {"async", "potential", "sync", "quorum", "unknown", "none"}
    ),
    ("stampede_reconciler_differences_total", "kind"): frozenset({"seat", "tickets", "layout"}),
    ("stampede_sweeper_holds_total", "outcome"): frozenset({"released", "kept", "sold"}),
    ("stampede_sessions_on_sale", "shown"): frozenset({"yes", "left_out"}),
    ("stampede_otlp_dropped_total", "reason"): frozenset({"queue_full", "not_taken"}),
    ("stampede_jwks_fetches_total", "outcome"): frozenset({"done", "failed"}),
    ("stampede_check_ins_total", "way"): frozenset({"online", "offline"}),
    ("stampede_check_ins_total", "outcome"): CODES
    | {"entered", "repeated", "accepted", "already", "refused"},
    (
        "stampede_signing_key_since_timestamp_seconds",
        "use",
    ): None,  # identity's, and booking's purposes
}


class Matcher(msgspec.Struct, frozen=True):
    """`op`: `=`, `!=`, `=~` or `!~`."""

    label: str
    op: str
    value: str


class Selector(msgspec.Struct, frozen=True):
    name: str
    matchers: tuple[Matcher, ...]


class Parsed(msgspec.Struct, frozen=True):
    """`labels`: those by which it groups, joins and aggregates. `made`: those that label_replace writes."""

    selectors: tuple[Selector, ...]
    labels: frozenset[str]
    made: frozenset[str]


OPS = ((MatchOp.Equal, "="), (MatchOp.NotEqual, "!="), (MatchOp.Re, "=~"), (MatchOp.NotRe, "!~"))
_VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")


def filled(expression: str, variables: Mapping[str, str]) -> str:
    """With a dashboard's variables (`$session`, `${node:regex}`, `$__rate_interval`) replaced. Raises
    KeyError for one that is not among them."""
    return _VARIABLE.sub(lambda found: variables[found[1]], expression)


def parse(expression: str) -> Parsed:
    """Raises ValueError if it is not PromQL, or selects series without naming their metric."""
    selectors: list[Selector] = []
    labels: set[str] = set()
    made: set[str] = set()

    def visit(node: Any) -> bool:
        match node:
            case promql_parser.VectorSelector():
                selectors.append(_selector(node))
            case promql_parser.MatrixSelector():
                selectors.append(_selector(node.vector_selector))
                return True
            case promql_parser.AggregateExpr() if node.modifier is not None:
                labels.update(node.modifier.labels)
            case promql_parser.BinaryExpr() if node.modifier is not None:
                if node.modifier.matching is not None:
                    labels.update(node.modifier.matching.labels)
                labels.update(node.modifier.group_labels or ())
            case promql_parser.Call() if node.func.name == "label_replace":
                made.add(node.args[1].val)
                labels.add(node.args[3].val)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return Parsed(tuple(dict.fromkeys(selectors)), frozenset(labels), frozenset(made))


def _selector(node: promql_parser.VectorSelector) -> Selector:
    matchers = tuple(
        Matcher(one.name, next(sign for op, sign in OPS if op == one.op), one.value)
        for one in node.matchers.matchers
        if one.name != "__name__"
    )
    if node.name is None:
        raise ValueError(f"{node} names no metric")
    return Selector(node.name, matchers)


class Vocabulary:
    """Names of series with their labels. `le` belongs to a histogram's `_bucket`."""

    def __init__(self, labels: Mapping[str, frozenset[str]]) -> None:
        self._labels = dict(labels)
        self._recorded: set[str] = set()

    @classmethod
    def of_the_page(cls) -> "Vocabulary":
        labels = dict(OF_PROMETHEUS) | dict.fromkeys(OF_PYTHON, OF_A_SCRAPE)
        for row in page():
            own = row.family.labels | OF_A_SCRAPE
            if row.family.type == "histogram":
                labels |= {row.name + suffix: own for suffix in SUFFIXES}
                labels[row.name + "_bucket"] = own | {"le"}
            else:
                labels[row.name] = own
        return cls(labels)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._labels)

    def add_recorded(self, name: str, expression: str, labels: Iterable[str] = ()) -> None:
        """A recording rule's result has, at most, the labels of what it is made of, and its own."""
        parsed = parse(expression)
        found = {label for one in parsed.selectors for label in self._labels.get(one.name, ())}
        self._labels[name] = frozenset({*found, *parsed.made, *labels})
        self._recorded.add(name)

    def complaints(self, expression: str) -> list[str]:
        """In words; none if every series that it asks for may be there. Raises ValueError as `parse`."""
        parsed = parse(expression)
        found = [one for selector in parsed.selectors for one in self._about(selector)]
        there = {label for one in parsed.selectors for label in self._labels.get(one.name, ())}
        strangers = sorted(parsed.labels - there - parsed.made)
        return [*found, *(f"nothing in it has the label {label}" for label in strangers)]

    def _about(self, selector: Selector) -> Iterator[str]:
        labels = self._labels.get(selector.name)
        if labels is None:
            yield f"nobody exports {selector.name}"
            return
        for matcher in selector.matchers:
            if matcher.label not in labels:
                yield f"{selector.name} has no label {matcher.label}"
                continue
            known = self.values(selector.name, matcher.label)
            if known is not None:
                for wanted in _unknown(matcher, known):
                    yield f'{selector.name} has no {matcher.label} "{wanted}"'

    def values(self, name: str, label: str) -> frozenset[str] | None:
        """What the label may say. None: anything. Raises KeyError if this module does not know the label."""
        family = _without_suffix(name)
        if (family, label) in VALUES_OF:
            return VALUES_OF[family, label]
        return VALUES.get(label) if name in self._recorded else VALUES[label]


def _without_suffix(name: str) -> str:
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def _unknown(matcher: Matcher, known: frozenset[str]) -> Iterator[str]:
    """Parts of the matcher that no value fits. The empty value means that the label is missing."""
    if matcher.op in {"=", "!="}:
        if matcher.value and matcher.value not in known:
            yield matcher.value
        return
    for part in matcher.value.split("|") if "(" not in matcher.value else [matcher.value]:
        pattern = re.compile(part)
        if not any(pattern.fullmatch(value) for value in known):
            yield part
