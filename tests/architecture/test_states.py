"""Every SQL statement that sets a state is a row of a table of transitions, and every row is a statement's
(docs/adr/0051)."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, get_args

import pytest

from booking.domain.machine import Machine
from booking.domain.order import ORDERS
from booking.domain.payment import PAYMENTS
from booking.domain.refund import REFUNDS
from booking.domain.ticket import TICKETS
from notification.messages.store import EndedMessage
from tests.architecture.source import modules
from tests.architecture.states import (
    Words,
    Write,
    parameters,
    state_columns,
    writes,
    writes_in,
)

MACHINES: list[Machine[Any, Any]] = [ORDERS, PAYMENTS, REFUNDS, TICKETS]


class Table(NamedTuple):
    """Which statements insert a state, and which write which transition."""

    begins: Mapping[str, set[str]]
    transitions: Mapping[tuple[str, str], set[str]]

    def of(self, statement: str) -> set[tuple[str, str]]:
        return {pair for pair, names in self.transitions.items() if statement in names}


# What only SQL takes steps of: no Python asks a machine about these.
WRITTEN_BY_SQL_ALONE = {
    "booking.seat_claims.state": Table(
        {
            "held": {"place_orders"},
            "sold": {"take_seats"},
            "blocked": {"block_seats", "block_shadow", "close_seats", "0004_refunds"},
        },
        {
            ("held", "held"): {"place_orders"},
            ("held", "sold"): {"sell_orders", "take_seats"},
            ("held", "blocked"): {"block_seats", "close_seats"},
        },  # a claim that is sold or blocked only goes
    ),
    "catalog.sessions.status": Table(
        {"draft": {"insert_session", "copy_session"}},
        {
            ("draft", "published"): {"publish_session", "publish_shadow"},
            ("published", "cancelled"): {"cancel_session"},
        },
    ),
    "notification.messages.state": Table(
        {"due": {"plan_messages", "plan_beside"}},
        {
            ("due", "sent"): {"end_messages"},
            ("due", "skipped"): {"end_messages"},
            ("due", "dead"): {"give_up"},
            ("dead", "due"): {"revive_messages"},
        },
    ),
    "notification.webhook_deliveries.state": Table(
        {"pending": {"insert_deliveries"}},
        {
            ("pending", "delivered"): {"delivered"},
            ("pending", "failed"): {"not_delivered", "give_up_forgotten"},
            ("pending", "pending"): {"not_delivered", "send_again"},
            ("delivered", "pending"): {"send_again"},
            ("failed", "pending"): {"send_again"},
        },
    ),
    # The provider in the sandbox: what is asked of it is decided when it is asked.
    "sandbox.charges.state": Table(
        {"succeeded": {"take_charges"}, "declined": {"take_charges"}}, {}
    ),
    "sandbox.refunds.state": Table(
        {"succeeded": {"make_refund", "0002_answers_that_come_later"}, "failed": {"make_refund"}},
        {},
    ),
}
# Statements that compare no state, each with what keeps two of them apart.
FENCED = {"send_again": "from any state; it counts as a claim, and only the last claim marks it"}
BENCHMARKS = {"put_off"}  # its steps are those of the table, which does not name it


def tables() -> dict[str, Table]:
    """By `schema.table.column`."""
    found = dict(WRITTEN_BY_SQL_ALONE)
    for machine in MACHINES:
        pairs: dict[tuple[str, str], set[str]] = {}
        for row in machine.transitions.values():
            pairs.setdefault((row.from_state, row.to_state), set()).update(row.statements)
        begins = {state.value: set(names) for state, names in machine.begins.items()}
        found[f"booking.{machine.column}"] = Table(begins, pairs)
    return found


def wrong(found: Iterable[Write]) -> Iterator[str]:
    """What statements do that no table says, and what tables say that no statement does."""
    every = list(found)
    known = tables()
    done: set[tuple[str, str, str, str]] = set()
    for write in every:
        table = known[write.column]
        if write.sources is None:
            pairs = {("", word) for word in _begun(write, table)}
            allowed = {
                ("", word) for word, names in table.begins.items() if write.statement in names
            }
        else:
            if not write.sources and write.statement not in FENCED:
                yield f"{write.statement} sets {write.column} and compares with no state"
            allowed = table.of(write.statement)
            if write.statement in BENCHMARKS:
                allowed = set(table.transitions)
            pairs = _moved(write, allowed)
        for source, target in sorted(pairs - allowed):
            yield f"{write.statement} sets {write.column}: {source} → {target} is not in its table"
        done |= {(write.statement, write.column, *pair) for pair in pairs}
    for column, table in known.items():
        rows = {("", word): names for word, names in table.begins.items()} | dict(table.transitions)
        for pair, names in rows.items():
            for statement in sorted(names):
                if (statement, column, *pair) not in done:
                    yield f"{statement} does not write {column}: {' → '.join(pair)}"


def _begun(write: Write, table: Table) -> Words:
    if parameters(write.targets):
        return frozenset(w for w, names in table.begins.items() if write.statement in names)
    return write.targets


def _moved(write: Write, allowed: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The transitions that a statement makes. With a parameter it makes those of its rows."""
    assert write.sources is not None
    said = write.sources or state_columns()[write.column].words
    sources, targets = said - parameters(said), write.targets - parameters(write.targets)
    if sources and targets:
        return {(source, target) for source in sources for target in targets}
    return {
        (source, target)
        for source, target in allowed
        if (not sources or source in sources) and (not targets or target in targets)
    }


def test_every_column_of_states_has_a_table_with_its_words() -> None:
    assert tables().keys() == state_columns().keys()
    for column, table in tables().items():
        reached = set(table.begins) | {target for _, target in table.transitions}
        never = {"created"} if column == "booking.orders.status" else set()  # API.md's word
        assert reached | never == state_columns()[column].words, column


def test_every_statement_that_sets_a_state_is_a_row_and_every_row_a_statement() -> None:
    found = writes()
    assert len(found) > 45  # else this test looks in the wrong place
    assert list(wrong(found)) == []


CONTROLS = [
    ("-- name: mark_refunded$\nUPDATE orders o SET status = 'refunded'\n"
     "FROM (SELECT order_id, status = 'paid' AS is_paid FROM orders WHERE order_id = :a FOR UPDATE) AS it\n"
     "WHERE o.order_id = it.order_id;",  # known, and not asked
     "mark_refunded sets booking.orders.status and compares with no state"),
    ("-- name: revive!\nUPDATE orders SET status = 'paid' WHERE order_id = :a AND status = 'refunded';",
     "revive sets booking.orders.status: refunded → paid is not in its table"),
    ("-- name: mark_refunded$\nUPDATE orders SET status = 'refunded' WHERE order_id = :order_id;",
     "mark_refunded sets booking.orders.status and compares with no state"),
    ("-- name: mark_refunded$\nUPDATE orders SET status = 'refunded'\n"
     "WHERE order_id = :a AND (status = 'paid' OR starts_at > now());",
     "mark_refunded sets booking.orders.status and compares with no state"),
    ("-- name: mark_refunded$\nUPDATE orders SET status = 'refunded'\n"
     "WHERE order_id = :a AND status NOT IN ('created', 'cancelled', 'pending_payment', 'refunded');",
     "mark_refunded sets booking.orders.status: completed → refunded is not in its table"),
    ("-- name: mark_refunded$\nUPDATE orders o SET status = 'refunded' FROM payments p\n"
     "WHERE o.order_id = p.order_id AND p.state = 'paid';",
     "mark_refunded sets booking.orders.status and compares with no state"),
    ("-- name: claim_due_refunds\nUPDATE refunds r SET state = 'processing'\n"
     "FROM (SELECT refund_id FROM refunds WHERE state = 'approved') AS due\n"
     "WHERE r.refund_id = due.refund_id;",  # chosen, and not locked
     "claim_due_refunds sets booking.refunds.state and compares with no state"),
    ("-- name: claim_due_refunds\nUPDATE refunds r SET state = 'processing'\n"
     "FROM (SELECT refund_id FROM refunds WHERE state = 'approved' FOR UPDATE) AS due\n"
     "WHERE r.order_id = due.refund_id;",  # locked, and others updated
     "claim_due_refunds sets booking.refunds.state and compares with no state"),
    ("-- name: insert_payment!\nINSERT INTO payments (payment_id, state) VALUES (:a, 'succeeded');",
     "insert_payment sets booking.payments.state:  → succeeded is not in its table"),
    ("-- name: block_seats\nINSERT INTO seat_claims AS c (seat_id, state) VALUES (1, 'blocked')\n"
     "ON CONFLICT (seat_id) DO UPDATE SET state = 'blocked' WHERE c.expires_at < now();",
     "block_seats sets booking.seat_claims.state and compares with no state"),
    ("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
     "    UPDATE tickets SET status = 'void' WHERE status = 'valid';\n    RETURN NULL;\nEND\n$$;",
     "0099 sets booking.tickets.status: valid → void is not in its table"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "complaint"), CONTROLS)
def test_control_a_statement_that_no_table_says_is_found(sql: str, complaint: str) -> None:
    assert complaint in wrong(writes_in(sql, "booking", "0099"))


def test_control_a_row_whose_statement_writes_something_else_is_found() -> None:
    others = [write for write in writes() if write.statement != "complete_orders"]
    assert list(wrong(others)) == [
        "complete_orders does not write booking.orders.status: paid → completed"
    ]


@cache
def by_parameter() -> set[str]:
    """Statements of ours that take a state of a machine as a parameter."""
    columns = {f"booking.{machine.column}" for machine in MACHINES}
    return {
        write.statement
        for write in writes()
        if write.column in columns and parameters(write.targets | (write.sources or frozenset()))
    }


def calls() -> Iterator[tuple[str, ast.Call, ast.AsyncFunctionDef]]:
    """(statement, call, the function it is in) of every call of such a statement."""
    for tree in modules().values():
        for function in ast.walk(tree):
            if isinstance(function, ast.AsyncFunctionDef):
                for call in ast.walk(function):
                    if isinstance(call, ast.Call):
                        store, _, statement = ast.unparse(call.func).rpartition(".")
                        if store == "queries" and statement in by_parameter():
                            yield statement, call, function


def test_states_that_are_parameters_come_from_rows_of_a_machine() -> None:
    """`from_state=row.from_state.value` with a row that the caller got from `advance`, or
    `[row.from_state.value for row in MACHINE.every(step)]`."""
    assert by_parameter() == {"move_payment", "mark_paid", "settle_refund", "void_tickets"}
    assert {statement for statement, _, _ in calls()} == by_parameter()
    assert [name for _, call, function in calls() for name in untied(call, function)] == []


def test_only_the_machine_makes_rows() -> None:
    makers = {
        module
        for module, tree in modules().items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).rpartition(".")[2].endswith("Transition")
        and ast.unparse(call.func) != "IllegalTransition"
    }
    assert makers == {"booking.domain.machine"}


def untied(call: ast.Call, function: ast.AsyncFunctionDef) -> Iterator[str]:
    """Parameters with a state that is not of a row."""
    rows = {
        parameter.arg
        for parameter in (*function.args.args, *function.args.kwonlyargs)
        if parameter.annotation and ast.unparse(parameter.annotation).endswith("Transition")
    }
    states = [word for word in call.keywords if word.arg and "state" in word.arg]
    assert states
    for word in states:
        wanted, value, own = str(word.arg).removesuffix("s"), word.value, rows
        if isinstance(value, ast.ListComp) and ast.unparse(value.generators[0].iter).endswith(
            ".every(step)"
        ):
            own = {ast.unparse(value.generators[0].target)}
            value = value.elt
        if ast.unparse(value) not in {f"{row}.{wanted}.value" for row in own}:
            yield ast.unparse(word)


def test_every_step_that_python_has_to_name_is_taken_somewhere() -> None:
    """A row of a statement that has its states in its text is held by that text; of one that is given
    a row, by whoever asks for it."""
    named = {
        ast.unparse(node)
        for module, tree in modules().items()
        if not module.startswith("booking.domain")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
    }
    dead = {
        step
        for machine in MACHINES
        for row in machine.transitions.values()
        if by_parameter() & set(row.statements)
        and (step := f"{type(row.step).__name__}.{row.step.name}") not in named
    }
    assert dead == set()
    steps = {type(row.step) for machine in MACHINES for row in machine.transitions.values()}
    used = {row.step for machine in MACHINES for row in machine.transitions.values()}
    assert {step for kind in steps for step in kind} == used


def test_a_mail_ends_as_its_table_says() -> None:
    """The one state that notification passes as a parameter, held by its type."""
    ends = get_args(EndedMessage.__annotations__["state"])
    transitions = WRITTEN_BY_SQL_ALONE["notification.messages.state"].transitions
    assert {("due", end) for end in ends} == {
        pair for pair, names in transitions.items() if "end_messages" in names
    }
