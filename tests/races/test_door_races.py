"""Two gates, one code, a thousand times; and the same with the compare-and-set taken out."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from booking.audit.checks import audit_booking
from booking.domain.problems import AlreadyCheckedIn
from booking.door.scanning import Door
from booking.door.store import queries
from booking.door.wire import CheckIn
from chassis.auth.tokens import Principal
from chassis.ids import uuid7
from tests.support.booking import BookingApp, at_once, booking_tables, running_booking

CODES = 1_000
AT_ONCE = 25  # codes, each at two gates
ADMIN = Principal(uuid4(), uuid4(), frozenset({"admin"}), 0.0)

SOLD = """
INSERT INTO orders (order_id, user_id, session_id, status, total_amount, currency, title, venue,
                    starts_at, time_zone, expires_at, paid_at)
SELECT o, o, $2, 'paid', 0, 'CNY', '戏', '馆', now(), 'Asia/Shanghai', now(), now()
FROM unnest($1::uuid[]) AS o;
"""
SEATS = """
INSERT INTO order_items (order_id, seat_id, area_id, area, row, number, price)
SELECT o, n, o, '区', '', n, 0 FROM unnest($1::uuid[]) WITH ORDINALITY AS i (o, n);
"""
TICKETS = """
INSERT INTO tickets (ticket_id, order_id, session_id, seat_id, user_id, code)
SELECT o, o, $2, n, o, code FROM unnest($1::uuid[], $3::text[]) WITH ORDINALITY AS i (o, code, n);
"""


@pytest.fixture
async def gates(database_url: str, redis_url: str) -> AsyncIterator[list[BookingApp]]:
    """Two processes over one database."""
    async with (
        running_booking(database_url, redis_url) as one,
        running_booking(database_url, redis_url) as other,
    ):
        yield [one, other]


async def sell(database_url: str, app: BookingApp, count: int) -> list[str]:
    """Codes of `count` tickets, each of an order of its own (whose id is the ticket's)."""
    session_id, ids = uuid4(), [uuid7() for _ in range(count)]
    codes = [app.services.codes.code(each, session_id) for each in ids]
    async with booking_tables(database_url) as tables:
        await tables.execute(SOLD, ids, session_id)
        await tables.execute(SEATS, ids)
        await tables.execute(TICKETS, ids, session_id, codes)
    return codes


async def scan(door: Door, code: str, gate: str) -> str:
    try:
        await door.check_in(ADMIN, CheckIn(code, gate), None, language="en")
    except AlreadyCheckedIn as refused:
        return str(refused.extra["gate"])
    return "in"


async def entries(gates: list[BookingApp], codes: list[str]) -> list[list[str]]:
    """What the two gates said of each code, scanned by both at once."""
    said = []
    for start in range(0, len(codes), AT_ONCE):
        some = codes[start : start + AT_ONCE]
        calls = [
            scan(gate.services.door, code, name)
            for code in some
            for gate, name in zip(gates, "AB", strict=True)
        ]
        answers = await at_once(calls)
        said += [answers[2 * n : 2 * n + 2] for n in range(len(some))]
    return said


async def test_two_gates_one_code_a_thousand_times(
    gates: list[BookingApp], database_url: str
) -> None:
    for app in gates:  # names are not what is raced for
        app.neighbours.identity_is_away = True
    said = await entries(gates, await sell(database_url, gates[0], CODES))
    assert {tuple(sorted(pair)) for pair in said} <= {("A", "in"), ("B", "in")}
    assert len({tuple(pair) for pair in said}) == 2, "one gate was always first: no race was run"
    findings = await audit_booking(gates[0].services, looks_max=1)
    broken = {finding.name for finding in findings if not finding.ok}
    assert "entries_and_tickets_agree" not in broken
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM check_ins WHERE admitted") == CODES
        assert await tables.fetchval("SELECT count(*) FROM check_ins") == 2 * CODES


async def test_without_the_compare_and_set_both_gates_let_somebody_in(
    gates: list[BookingApp], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: else the test above would prove nothing."""
    whole = queries.check_in.sql
    careless = whole.replace("AND t.status = 'valid' ", "")
    assert careless != whole

    async def check_in(tx: Any, **values: Any) -> Any:
        names = ("gate", "user_id", "ticket_id", "check_in_id", "key", "request_id")
        return await tx.fetchrow(careless, *(values[name] for name in names))

    monkeypatch.setattr(queries, "check_in", check_in)
    async with booking_tables(database_url) as tables:
        await tables.execute("DROP INDEX check_ins_one_entry_per_ticket")
    codes = await sell(database_url, gates[0], 5)
    assert await entries(gates, codes) == [["in", "in"]] * 5
    findings = await audit_booking(gates[0].services, looks_max=1)
    (broken,) = [one for one in findings if one.name == "entries_and_tickets_agree"]
    assert sum("let somebody in 2 times" in detail for detail in broken.details) == 5


async def test_the_index_stands_behind_a_careless_statement(
    gates: list[BookingApp], database_url: str
) -> None:
    """As above with the index in place: the second entry is refused, whatever the statement says."""
    (code,) = await sell(database_url, gates[0], 1)
    assert await scan(gates[0].services.door, code, "A") == "in"
    async with booking_tables(database_url) as tables:
        await tables.execute("UPDATE tickets SET status = 'valid'")  # a bug elsewhere
    with pytest.raises(Exception, match="check_ins_one_entry_per_ticket"):
        await scan(gates[1].services.door, code, "B")
