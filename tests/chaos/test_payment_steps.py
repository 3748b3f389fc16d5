"""What is there when the process is killed between two steps of pay, webhook and automatic refund.

docs/payments-steps.md is the table that this test makes: `WRITE_DOCS=1` writes it anew.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from booking.audit.checks import audit_booking
from booking.orders.expiry import sweep_orders
from tests.chaos.killing import PAY_KEY, SECRET, Ask, Work
from tests.support.booking import BookingApp, booking_tables, let_time_pass, running_booking
from tests.support.payments import Disturbed, outcomes_of, taken_in_silence
from tests.support.servers import ROOT

PAGE = ROOT / "docs" / "payments-steps.md"
HEADING = """# What is left after a crash

A test kills the process (kill -9) just before each step that leaves it: a statement of PostgreSQL (named
as in booking/*/sql), a script in Redis, a call of the provider, the response. *Found* is the state right
after that; PostgreSQL passes the audit there. *Becomes* is the state after the reconciler, the sweeper
and the refund round of any other process have run. In every row money is taken at most once, and money
that is taken buys tickets or goes back. A buyer whose `pay` got no answer repeats it with the same key:
after that every row has tickets and one charge.

tests/chaos/test_payment_steps.py writes this page with WRITE_DOCS=1, and fails when the page is no longer
true.
"""
STORIES = {
    "pay": "`POST /orders/{id}/pay`",
    "webhook": "A webhook reports the payment",
    "late webhook": "A webhook reports the payment after the order has expired",
    "refund": "The seats are gone, and the money goes back",
}
DEADLINE_S = 20.0


class Killer:
    """The process that dies; `await die(work, before=n)` → the steps it came to."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def die(self, work: Work, *, before: int) -> tuple[list[str], bool]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(Ask(work, before)) + b"\n")
        async with asyncio.timeout(DEADLINE_S):
            said = msgspec.json.decode(await self._process.stdout.readline())
        killed = os.WIFSIGNALED(said["status"])
        assert killed or said["status"] == 0, said
        assert not killed or os.WTERMSIG(said["status"]) == signal.SIGKILL
        return said["steps"], killed


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url, webhook_secret=(SECRET,)) as running:
        yield running


@pytest.fixture
async def killer(database_url: str, redis_url: str, app: BookingApp) -> AsyncIterator[Killer]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.killing", database_url, redis_url),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    yield Killer(process)
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


class Scene:
    """Orders to be paid, each of a buyer and two seats of its own."""

    def __init__(self, app: BookingApp, tables: "asyncpg.Connection[Any]") -> None:
        self.app, self.tables = app, tables
        self.session_id = app.neighbours.publish(rows=20, max_tickets_per_user=100)
        self._provider: Any = app.provider.now

    async def prepared(self, story: str) -> Work:
        user_id = uuid4()
        made = (await self.app.order(user_id, self.session_id)).json
        order_id, amount = made["order_id"], made["total_amount"]
        if story == "pay":
            return Work("pay", UUID(order_id), user_id)
        self.app.provider.now = self._provider
        Disturbed(self.app, taken_in_silence)
        paying = (await self.app.pay(user_id, order_id)).json
        payment_id = UUID(paying["payment"]["payment_id"])
        work = Work("webhook", UUID(order_id), user_id, payment_id, amount)
        if story != "webhook":
            await let_time_pass(self.tables, order_id, past_s=10.0)
            await sweep_orders(self.app.services.pool, self.app.services.holds)
        if story == "refund":
            seats = [item["seat_id"] for item in made["items"]]
            assert (await self.app.order(uuid4(), self.session_id, seats=seats[:1])).status == 201
            verdict = await self._provider.look_up(payment_id)
            await outcomes_of(self.app).apply_outcome(payment_id, verdict)
            return msgspec.structs.replace(work, what="refund")
        return work

    async def state(self, work: Work) -> str:
        """Order, payment, whether the provider has the money, tickets."""
        row = await self.tables.fetchrow(
            "SELECT status, p.payment_id, p.state, (SELECT count(*) FROM tickets t"
            " WHERE t.order_id = o.order_id) AS tickets FROM orders o LEFT JOIN payments p"
            " USING (order_id) WHERE o.order_id = $1 ORDER BY p.payment_id DESC LIMIT 1",
            work.order_id,
        )
        assert row is not None
        payment_id = row["payment_id"]
        verdict = await self._provider.look_up(payment_id) if payment_id else None
        taken = verdict is not None and verdict.state == "succeeded"
        self.is_squared(row, taken=taken)
        tickets = f", {row['tickets']} tickets" if row["tickets"] else ""
        money = "money taken" if taken else "no money taken"
        payment = f"payment {row['state']}" if payment_id else "no payment"
        return f"order {row['status']}, {payment}, {money}{tickets}"

    def is_squared(self, row: Any, *, taken: bool) -> None:
        """Never tickets without money, nor a payment called succeeded without either."""
        assert (row["tickets"] > 0) == (row["status"] == "paid") == (row["state"] == "succeeded")
        assert taken or row["state"] not in {"succeeded", "refund_due", "refunded"}

    async def pay_again(self, work: Work) -> None:
        """The buyer, who got no answer, sends the same request: it pays now unless it has paid before."""
        again = await self.app.pay(work.user_id, str(work.order_id), key=PAY_KEY)
        assert again.status == 200, again.json
        assert await self.state(work) == "order paid, payment succeeded, money taken, 2 tickets"
        charges = "SELECT count(*) FROM sandbox.charges WHERE reference = $1"
        assert await self.tables.fetchval(charges, str(work.order_id)) == 1

    async def converge(self) -> None:
        """What the workers of any other process do, at once instead of when it is due."""
        self.app.provider.now = self._provider
        await self.app.services.payments.reconcile(older_than_s=-1.0)
        await self.tables.execute("UPDATE payments SET ask_at = now() WHERE state = 'refund_due'")
        await self.app.services.payments.refund_what_is_due()
        unsettled = (
            "SELECT count(*) FROM payments WHERE state NOT IN ('succeeded', 'failed', 'refunded')"
        )
        assert await self.tables.fetchval(unsettled) == 0


async def backends(tables: "asyncpg.Connection[Any]") -> set[int]:
    rows = await tables.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend'"
    )
    return {row["pid"] for row in rows}


async def is_sound(app: BookingApp) -> None:
    """PostgreSQL at once; Redis agrees after the sweeper and the healing that tests of their own have."""
    findings = await audit_booking(app.services, looks_max=1)
    broken = [one for one in findings if not one.ok and one.name != "redis_equals_postgresql"]
    assert broken == []


async def table_of(story: str, scene: Scene, killer: Killer) -> list[tuple[str, str, str]]:
    """Rows of (killed before, found, becomes), until the work comes to its end."""
    rows = []
    for cut in range(1, 100):
        work = await scene.prepared(story)
        before = await backends(scene.tables)
        steps, killed = await killer.die(work, before=cut)
        async with asyncio.timeout(DEADLINE_S):
            while await backends(scene.tables) - before:  # noqa: ASYNC110
                await asyncio.sleep(0.005)  # a dead client's transactions end when they are noticed
        await is_sound(scene.app)
        found = await scene.state(work)
        await scene.converge()
        await is_sound(scene.app)
        becomes = await scene.state(work)
        if not killed:
            assert found == becomes
            return rows
        rows.append((steps[-1], found, "the same" if becomes == found else becomes))
        if story == "pay":
            await scene.pay_again(work)
            await is_sound(scene.app)
    raise AssertionError("it never comes to its end")


async def test_whatever_step_it_dies_at_everything_converges(
    app: BookingApp, killer: Killer, database_url: str
) -> None:
    page = [HEADING]
    async with booking_tables(database_url) as tables:
        scene = Scene(app, tables)
        for story, title in STORIES.items():
            rows = await table_of(story, scene, killer)
            assert len(rows) >= 3, rows
            page += [f"## {title}\n", "| killed before | found | becomes |", "|---|---|---|"]
            page += [f"| {step} | {found} | {becomes} |" for step, found, becomes in rows]
            page.append("")
    text = "\n".join(page)
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text
