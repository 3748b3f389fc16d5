"""`stampede rehearse` on a platform in use: it sells, says so, and leaves nothing."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import redis.asyncio
from click.testing import CliRunner

from booking.events.unfolding import ORDER_PLACED, ids_beside
from chassis.observability import logs
from stampede.cli.main import stampede
from tests.e2e.conftest import with_role
from tests.support.api import AREAS, Api, Person, publish_session
from tests.support.platform import RunningPlatform
from tests.support.servers import ROOT

MARK = "726568656172"
RUN_TIMEOUT_S = 120.0
SCHEMAS = ["identity", "catalog", "booking", "notification", "sandbox"]
FEW = ("--people", "12", "--seconds", "10", "--pay-late", "0", "--beside-a-sale")


class Rehearsal:
    """The command in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def until(self, beginning: str) -> None:
        """Reads on until a line begins so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(RUN_TIMEOUT_S):
            async for line in self.process.stdout:
                self.said.append(line.decode().rstrip())
                if self.said[-1].strip().startswith(beginning):
                    return
        raise AssertionError(f"it never said {beginning!r}: {self.said}")

    async def end(self) -> int:
        async with asyncio.timeout(RUN_TIMEOUT_S):
            said, _ = await self.process.communicate()
        self.said += said.decode().splitlines()
        return self.process.returncode or 0


@contextlib.asynccontextmanager
async def rehearsing(platform: RunningPlatform, *words: str) -> AsyncIterator[Rehearsal]:
    port = platform.base_url.rpartition(":")[2]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stampede", "rehearse", *words, "--port", port),
        *("--data-dir", str(platform.data_dir)),
        cwd=ROOT,
        env=platform.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Rehearsal(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Stores:
    """Looks for traces of a rehearsal in every row and every key."""

    def __init__(self, db: "asyncpg.Connection[Any]", keys: Any) -> None:
        self._db, self._keys = db, keys

    async def ids(self) -> list[str]:
        """What it has made: its session, orders, people, payments and events."""
        rows = await self._db.fetch(
            "WITH mine AS (SELECT * FROM booking.orders WHERE right(session_id::text, 12) = $1)"
            " SELECT session_id::text FROM mine UNION SELECT order_id::text FROM mine"
            " UNION SELECT user_id::text FROM mine UNION"
            " SELECT payment_id::text FROM booking.payments JOIN mine USING (order_id) UNION"
            " SELECT event_id::text FROM booking.order_events JOIN mine USING (order_id)",
            MARK,
        )
        archived = await self._db.fetch(
            "SELECT event_id, type FROM booking.event_archive e JOIN booking.orders o"
            " ON e.subject = o.order_id::text WHERE right(o.session_id::text, 12) = $1",
            MARK,
        )
        told = [each for row in archived for each in ids_beside(row["event_id"], row["type"])]
        orders = await self._db.fetch(
            "SELECT order_id FROM booking.orders WHERE right(session_id::text, 12) = $1", MARK
        )
        told += [each for row in orders for each in ids_beside(row["order_id"], ORDER_PLACED)]
        return [*(row[0] for row in rows), *map(str, told)]

    async def traces(self, ids: Sequence[str]) -> list[str]:
        """Tables and keys in which one of them stands, or the mark, or an address of its people."""
        wanted = [f"%{one}%" for one in (*ids, MARK, "rehearsal-%@buyers.invalid")]
        found = []
        for schema, table in await self._tables():
            count = await self._db.fetchval(
                f'SELECT count(*) FROM {schema}."{table}" t WHERE t::text LIKE ANY ($1)', wanted
            )
            found += [f"{count} in {schema}.{table}"] if count else []
        async for key in self._keys.scan_iter(count=1000):
            found += [key.decode()] if any(one in key.decode() for one in (*ids, MARK)) else []
            if key.startswith(b"loaded-sessions"):
                members = await self._keys.smembers(key)
                found += [one.decode() for one in members if MARK.encode() in one]
        return found

    async def count(self, table: str, like: str) -> int:
        sql = f"SELECT count(*) FROM {table} t WHERE t::text LIKE $1"
        return int(await self._db.fetchval(sql, f"%{like}%"))

    async def _tables(self) -> list[tuple[str, str]]:
        rows = await self._db.fetch(
            "SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = ANY($1)",
            SCHEMAS,
        )
        assert len(rows) > 40  # else this looks in the wrong place
        return [(row[0], row[1]) for row in rows]


@pytest.fixture
async def stores(together: RunningPlatform) -> AsyncIterator[Stores]:
    db = await asyncpg.connect(together.environ["STAMPEDE_DATABASE_URL"])
    keys = redis.asyncio.from_url(together.environ["STAMPEDE_REDIS_URL"])
    yield Stores(db, keys)
    await keys.aclose()
    await db.close()


@pytest.fixture
async def here(together: RunningPlatform) -> AsyncIterator[Api]:
    client = Api(together.base_url)
    yield client
    await client.close()


@pytest.fixture
async def on_sale(here: Api, together: RunningPlatform) -> tuple[Any, Person]:
    organizer = await with_role(together, here, "organizer")
    return await publish_session(here, organizer.token), organizer


async def seen(api: Api, session: Any, organizer: Person) -> list[Any]:
    """All that anybody is told of the real session."""
    session_id = session["session_id"]
    paths = (f"/sessions/{session_id}/seats", f"/sessions/{session_id}/seat-map")
    own = (f"/sessions/{session_id}/sales", f"/sessions/{session_id}/orders")
    told = [
        *[(await api.get(path)).json for path in paths],
        *[(await api.get(path, token=organizer.token)).json for path in own],
    ]
    told[2].pop("as_of")
    return told


async def test_a_rehearsal_sells_a_shadow_and_nothing_is_left(
    together: RunningPlatform, here: Api, on_sale: Any, stores: Stores, tmp_path: Path
) -> None:
    session, organizer = on_sale
    before = await seen(here, session, organizer)
    report, page = tmp_path / "report.json", tmp_path / "report.html"
    words = (session["session_id"], *FEW, "--json", str(report), "--html", str(page))
    async with rehearsing(together, *words) as run:
        await run.until("The crowd has gone")
        ids = await stores.ids()
        during = await seen(here, session, organizer)
        told = [
            await stores.count(f"notification.{one}", ids[0]) for one in ("messages", "mailbox")
        ]
        mails = [await stores.count("notification.messages", one) for one in ids]
        lists = [(await here.get(f"/shows?page_size=100&page={page}")).body for page in (1, 2)]
        code = await run.end()
    assert during == before
    assert len(ids) > 30  # orders, people, payments, events
    assert sum(told) + sum(mails) == 0
    assert not any(MARK.encode() in one for one in lists)
    assert await stores.traces(ids) == []
    assert await seen(here, session, organizer) == before
    document = msgspec.json.decode(report.read_bytes())
    assert code == document["exit_code"]
    assert document["left_over"] == []
    people = document["findings"]["people"]
    assert sum(list(people.values())[:7]) == 12
    assert people["tickets"] > 0
    kept = {one["name"]: one["kept"] for one in document["findings"]["objectives"]}
    assert kept["nobody oversold"]
    assert kept["audit"]
    assert kept["holds decided"]
    assert document["setting"]["web"] == 2
    assert "<script" not in page.read_text("utf-8")
    log = (together.data_dir / "logs" / "rehearsal.log").read_text("utf-8")
    assert "rehearsal_began" in log
    assert "rehearsal_ended" in log


async def refused(platform: RunningPlatform, *words: str) -> str:
    """The command in a thread: it has an event loop of its own. What it says, which is one sentence."""
    port = platform.base_url.rpartition(":")[2]
    asked = ["rehearse", *words, "--port", port, "--data-dir", str(platform.data_dir)]
    try:
        result = await asyncio.to_thread(CliRunner().invoke, stampede, asked, env=platform.environ)
    finally:
        logs.configure(None, log_format="text", console=False)
    assert result.exit_code == 2, result.output
    assert result.output.count("\n") == 1
    return str(result.output)


async def test_what_cannot_be_rehearsed_is_one_sentence_and_leaves_nothing(
    together: RunningPlatform, here: Api, on_sale: Any, stores: Stores, tmp_path: Path
) -> None:
    session, organizer = on_sale
    session_id, few = session["session_id"], ("--people", "5")
    path = f"/shows/{session['show_id']}/sessions"
    times = {name: session[name] for name in ("sale_opens_at", "sale_closes_at")}
    body = {
        "starts_at": session["date"],
        "currency": "CNY",
        "max_tickets_per_user": 6,
        "areas": AREAS,
    }
    draft = await here.post(path, body | times, token=organizer.token)
    away = ("--gateway", "http://127.0.0.1:1")
    nobody = "01890000-0000-7000-8000-000000000001"
    for words, says in (
        ((nobody, *few, "--beside-a-sale"), "There is no session"),
        ((draft.json["session_id"], *few, "--beside-a-sale"), "is a draft"),
        ((session_id, "--people", "0"), "--people must be from 1"),
        ((session_id, "--people", "10000000"), "--people must be from 1"),
        ((session_id, *few, "--curve", "cliff"), "--curve must be"),
        ((session_id, *few, "--fault", "kill:valkey"), "needs a cluster"),
        ((session_id, *few, *away), "No gateway answers"),
        ((session_id, *few, "--gateway", "https://x:1"), "--gateway must be like"),
        ((session_id, *few, "--json", str(tmp_path / "no" / "x.json")), "There is no folder"),
        ((session_id,), "Say SESSION_ID and --people"),
    ):
        assert says in await refused(together, *words)
    assert await stores.traces([]) == []


async def test_beside_a_real_sale_it_must_be_asked_for(
    together: RunningPlatform, here: Api, on_sale: Any
) -> None:
    session = on_sale[0]
    buyer = await here.register()
    body = {
        "session_id": session["session_id"],
        "seat_area_id": session["seat_areas"][0]["area_id"],
        "quantity": 1,
    }
    assert (await here.post("/orders", body, token=buyer.token)).status == 201
    assert "A real sale is on" in await refused(together, session["session_id"], "--people", "5")


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_a_rehearsal_that_is_stopped_or_killed_leaves_nothing(
    together: RunningPlatform, on_sale: Any, stores: Stores, how: signal.Signals
) -> None:
    words = (on_sale[0]["session_id"], *FEW)
    async with rehearsing(together, *words) as run:
        await run.until("open for ")
        ids = await stores.ids()
        os.kill(run.process.pid, how)
        code = await run.end()
    assert len(ids) > 10
    if how == signal.SIGKILL:
        assert await stores.traces(ids) != []
        async with rehearsing(together, "--clean") as cleaning:
            assert await cleaning.end() == 0
        assert "1 killed rehearsals removed." in cleaning.said
    else:
        assert (code, run.said[-1]) == (2, "Error: Stopped; everything that it had made is gone.")
    assert await stores.traces(ids) == []


@pytest.mark.long
async def test_the_audit_is_clean_while_a_rehearsal_sells_and_a_program_dies(
    together: RunningPlatform, on_sale: Any, stores: Stores
) -> None:
    faults = (
        "--fault",
        "kill:web@1s",
        "--fault",
        "kill:worker@1s",
        "--fault",
        "provider-hang@0s:3s",
    )
    words = (on_sale[0]["session_id"], *FEW, "--seconds", "30", *faults)
    async with rehearsing(together, *words) as run:
        await run.until("open for 2 s")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stampede", "audit", "--data-dir", str(together.data_dir)),
            cwd=ROOT, env=together.environ, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await process.communicate()
        ids = await stores.ids()
        await run.end()
    assert process.returncode == 0, said.decode()
    text = "\n".join(run.said)
    assert text.count("killed") >= 2, text
    assert "LEFT OVER" not in text
    assert await stores.traces(ids) == []
