"""A process that dies by kill -9 just before a chosen step of booking, over and over.

    python -m tests.chaos.killing DATABASE_URL REDIS_URL      (asked by tests.chaos.test_payment_steps)

A line in: `{"work": {…}, "cut": 3}`. It forks; the child opens booking, does the work, and is killed
before its step number `cut`. A line out: the steps it came to, the last of them not taken when it was
killed. A step is what leaves the process: a statement on booking's schema, a script in Redis, a call of
the provider, the answer.
"""

import asyncio
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

import booking
from booking.providers.signatures import sign
from booking.seats.holds import LUA
from chassis.postgres.pool import load_queries
from chassis.redis.node import Node
from chassis.redis.scripts import load_scripts
from tests.support.booking import BookingApp, running_booking

SECRET = "whsec_a2lsbGVk"
PAY_KEY = "pay-1"
SCRIPTS = {script.digest: name for name, script in load_scripts(LUA).items()}
BOOKING = Path(booking.__file__).parent
STATEMENTS = {
    getattr(queries, name).sql: name
    for queries in map(load_queries, BOOKING.rglob("sql"))
    for name in queries.available_queries
    if not name.endswith("_cursor")
}
WALL = "{wall}"  # the tag of its keys
BY_THE_CLOCK = {
    "controls_in_force",
    "SMEMBERS",
}  # what a process asks now and then, whatever it does


class Work(msgspec.Struct, frozen=True):
    """`what`: pay (an order of `user_id`), webhook (its money has come) or refund (what is due)."""

    what: str
    order_id: UUID
    user_id: UUID
    payment_id: UUID | None = None
    amount: int = 0


class Ask(msgspec.Struct, frozen=True):
    work: Work
    cut: int  # 0: not at all


class Steps:
    """Counts the steps once `counting`, says each on `out`, and kills this process before one."""

    def __init__(self, cut: int, out: int) -> None:
        self._cut, self._out = cut, out
        self._taken = 0
        self.counting = False

    def step(self, name: str) -> None:
        if not self.counting:
            return
        self._taken += 1
        os.write(self._out, name.encode() + b"\n")
        if self._taken == self._cut:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_stores(self) -> None:
        for name in ("execute", "_execute"):
            inner = getattr(asyncpg.Connection, name)
            setattr(asyncpg.Connection, name, self._before_sql(name, inner))
        send = Node._send

        def watched(node: Node, connection: Any) -> None:
            calls = [command.call for command in node._queue]
            taught = [call for call in calls if not _of_no_work(call)]
            if not taught:
                send(node, connection)
                return
            self.step(f"Redis: {', '.join(SCRIPTS.get(call[1], call[0]) for call in taught)}")
            send(node, connection)

        Node._send = watched  # type: ignore[method-assign]

    def _before_sql(self, name: str, inner: Any) -> Any:
        async def watched(connection: Any, query: str, *args: Any, **kwargs: Any) -> Any:
            ours = (connection._params.server_settings or {}).get("search_path") == "booking"
            asked = _name_of(query)
            if ours and asked not in BY_THE_CLOCK and (name == "_execute" or not args):
                self.step(f"SQL: {asked}")  # with arguments one calls the other
            return await inner(connection, query, *args, **kwargs)

        return watched


def _of_no_work(call: Any) -> bool:
    """Somebody counts for the wall once a second, whatever happens here."""
    return call[0] in {"SCRIPT", *BY_THE_CLOCK} or (len(call) > 1 and WALL in str(call[1]))


def _name_of(query: str) -> str:
    return STATEMENTS.get(query) or re.split(r"[ ;]", query)[0]


class WatchedProvider:
    def __init__(self, inner: Any, steps: Steps) -> None:
        self._inner, self._steps = inner, steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in {"charge", "refund"}:
            return found

        async def watched(*args: Any, **kwargs: Any) -> Any:
            self._steps.step(f"provider: {name}")
            answer = await found(*args, **kwargs)
            self._steps.step("the provider's answer is read")
            return answer

        return watched


async def do(work: Work, app: BookingApp) -> None:
    if work.what == "pay":
        await app.pay(work.user_id, str(work.order_id), key=PAY_KEY)
    elif work.what == "webhook":
        await app.post("/payments/webhooks/sandbox", raw=message(work), headers=signed(work))
    else:
        await app.services.payments.refund_what_is_due()


def message(work: Work) -> bytes:
    data = {"key": work.payment_id, "amount": work.amount, "currency": "CNY", "reason": None}
    return msgspec.json.encode({"type": "payment.succeeded", "data": data | {"state": "succeeded"}})


def signed(work: Work) -> dict[str, str]:
    at, event_id = int(time.time()), f"msg_{work.payment_id}"
    signature = sign(SECRET, event_id, at, message(work))
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature,
    }


async def child(ask: Ask, database_url: str, redis_url: str, out: int) -> None:
    steps = Steps(ask.cut, out)
    steps.watch_stores()
    async with running_booking(database_url, redis_url, webhook_secret=(SECRET,)) as app:
        app.provider.now = WatchedProvider(app.provider.now, steps)
        steps.counting = True
        await do(ask.work, app)
        steps.step("the answer" if ask.work.what != "refund" else "the end of the round")
        steps.counting = False


def answer(line: bytes, database_url: str, redis_url: str) -> bytes:
    ask = msgspec.json.decode(line, type=Ask)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        failed = 1
        try:
            asyncio.run(child(ask, database_url, redis_url, writer))
            failed = 0
        finally:
            os._exit(failed)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        steps = said.read().decode().splitlines()
    _, status = os.waitpid(pid, 0)
    return msgspec.json.encode({"steps": steps, "status": status})


def main() -> None:
    database_url, redis_url = sys.argv[1:]
    print("ready", flush=True)
    for line in sys.stdin.buffer:
        print(answer(line, database_url, redis_url).decode(), flush=True)


if __name__ == "__main__":
    main()
