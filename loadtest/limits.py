"""How far rate limits may be exceeded, and what they cost: `python -m loadtest.limits` (`make limits`).

Starts a Valkey of its own. Processes with a gateway's gate each send requests of one address, far more
than it may: all at the same moment, or one after the other, which is the worst, because the later ones
do not know what the first has let in. What they let in is compared with the limit. Then each sends
requests of a crowd, in turns with limits counted in the process and limits that Redis is asked about.
"""

import asyncio
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import redis

from chassis.auth.tokens import Principal
from chassis.problems import RateLimited
from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Servers
from chassis.seam.client import ServiceClient
from chassis.settings import Settings
from gateway.protection.gate import SCRIPTS, Gate
from gateway.protection.limits import Policies
from gateway.protection.revocations import Revocations
from gateway.routing import API, Route, Routes
from runtime.embedded.valkey import SETTINGS, answers, program

PROCESSES = (1, 2, 8)
ROUNDS = 20
ROUND_S = 0.5  # of requests: a burst at once, then one a millisecond
AFTER_S = 0.02  # each process after the one before
APART_S = 0.1  # until all processes are ready for a round
TURNS = 5
REQUESTS = 10_000  # of a turn and process
AT_ONCE = 32
USERS = 1_000


class Load(msgspec.Struct, frozen=True):
    """What one process of `processes` shall do. `late_s`: it begins its rounds so late. `exact`: Redis is
    asked about every request."""

    url: str
    number: int
    processes: int
    starts: tuple[float, ...] = ()
    late_s: float = 0.0
    exact: bool = False


class LetIn(msgspec.Struct, frozen=True):
    """Of one round: requests that were let in, and the wall clock's time of the last one."""

    requests: int
    last: float


async def _nobody(_scope: Any, _receive: Any, send: Any) -> None:
    """Identity's list of revoked logins."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'{"logins":[]}', "more_body": False})


class _Gates:
    """A gate like that of a web process."""

    def __init__(self, load: Load) -> None:
        settings = Settings(redis_url=load.url, workers=load.processes)
        self.policies = Policies(settings)
        if load.exact:
            for name in ("ip", "user"):
                policy = getattr(self.policies, name)
                exact = msgspec.structs.replace(policy, unconfirmed_max=0, untold_burst=0)
                setattr(self.policies, name, exact)
        self.redis = RedisCalls(Servers(load.url), SCRIPTS)
        self.revocations = Revocations(self.redis, ServiceClient(_nobody), token_life_s=900)
        self.gate = Gate(self.redis, self.policies, self.revocations)
        route = Routes(demo=False).match(f"{API}/shows")
        assert route is not None
        self._route: Route = route

    async def enter(self, address: str, principal: Principal | None) -> bool:
        try:
            self.gate.refuse_known(self._route, address)
            await self.gate.enter(self._route, address, principal)
        except RateLimited:
            return False
        return True


def exceed(load: Load) -> list[LetIn]:
    """Sends far too many requests of one address, in rounds that begin at `starts`."""

    async def one_round(gates: _Gates, address: str, start: float) -> LetIn:
        await asyncio.sleep(max(0.0, start + load.late_s - time.time()))
        first = [gates.enter(address, None) for _ in range(2 * gates.policies.ip.burst)]
        let_in, last = sum(await asyncio.gather(*first)), time.time()
        while time.time() < start + ROUND_S:
            if await gates.enter(address, None):
                let_in, last = let_in + 1, time.time()
            await asyncio.sleep(0.001)
        return LetIn(let_in, last)

    async def rounds() -> list[LetIn]:
        gates = _Gates(load)
        async with gates.gate.reporting.running():
            await gates.enter(f"192.0.2.{load.number}", None)  # so that Redis is connected
            found = [
                await one_round(gates, f"198.51.100.{number}", start)
                for number, start in enumerate(load.starts)
            ]
        await gates.redis.close()
        return found

    return asyncio.run(rounds())


def spend(load: Load) -> float:
    """CPU microseconds of this process a request. Each is of an address of its own, as in the bench."""
    users = [Principal(UUID(int=n), uuid4(), frozenset(), 4e9) for n in range(USERS)]

    async def some(gates: _Gates, first: int) -> None:
        for number in range(first, REQUESTS, AT_ONCE):
            address = f"10.{load.number}.{number >> 8}.{number & 255}"
            if not await gates.enter(address, users[number % USERS]):
                raise RuntimeError("A limit was exceeded: fewer requests, or more users.")
            if number % 8 == 0:
                await asyncio.sleep(0)

    async def run() -> float:
        gates = _Gates(load)
        async with gates.gate.reporting.running(), gates.revocations.kept_fresh():
            await gates.enter(f"192.0.2.{load.number}", None)
            await gates.revocations.is_revoked(uuid4(), (None, None))  # reads identity's list
            began = time.process_time()
            await asyncio.gather(*(some(gates, first) for first in range(AT_ONCE)))
        spent = time.process_time() - began
        await gates.redis.close()
        return spent * 1e6 / REQUESTS

    return asyncio.run(run())


@contextmanager
def own_valkey() -> Iterator[str]:
    """The URL of an empty server."""
    with tempfile.TemporaryDirectory(prefix="limits-") as folder:
        socket = str(Path(folder) / "valkey.sock")
        settings = SETTINGS | {"unixsocket": socket, "appendonly": "no"}
        args = [part for key, value in settings.items() for part in (f"--{key}", value)]
        server = subprocess.Popen([program(), *args], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            while not answers(unix_socket_path=socket):
                time.sleep(0.02)
            yield f"unix://{socket}"
        finally:
            server.terminate()
            server.wait()


def measure_error(
    pool: ProcessPoolExecutor, url: str, processes: int, rounds: int, after_s: float
) -> list[float]:
    """Requests over the limit, by round."""
    client = redis.Redis.from_url(url)
    for key in client.scan_iter("limit:*"):
        client.delete(key)
    client.close()
    begin = time.time() + 2.0
    starts = tuple(begin + n * (ROUND_S + APART_S) for n in range(rounds))
    loads = [Load(url, number, processes, starts, number * after_s) for number in range(processes)]
    policy = Policies(Settings()).ip
    over = []
    for start, parts in zip(starts, zip(*pool.map(exceed, loads), strict=True), strict=True):
        limit = policy.burst + policy.rate * (max(part.last for part in parts) - start)
        over.append(sum(part.requests for part in parts) - limit)
    return over


def measure_cost(
    pool: ProcessPoolExecutor, url: str, processes: int, *, exact: bool
) -> tuple[float, float]:
    """Microseconds of CPU a request: of the process, and of Valkey."""
    client = redis.Redis.from_url(url)
    for key in client.scan_iter("limit:*"):
        client.delete(key)
    before = _cpu_s(client)
    spent = list(pool.map(spend, [Load(url, n, processes, exact=exact) for n in range(processes)]))
    valkey = (_cpu_s(client) - before) * 1e6 / REQUESTS / processes
    client.close()
    return statistics.mean(spent), valkey


def _cpu_s(client: redis.Redis) -> float:
    found = client.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])


def main(processes: Sequence[int], rounds: int = ROUNDS, turns: int = TURNS) -> None:
    policy = Policies(Settings()).ip
    spawn = multiprocessing.get_context("spawn")
    with own_valkey() as url, ProcessPoolExecutor(max(processes), mp_context=spawn) as pool:
        for number in processes:
            for after_s, words in ((0.0, "at once"), (AFTER_S, "one after the other")):
                over = measure_error(pool, url, number, rounds, after_s)
                print(
                    f"{number} processes, {words}: {max(0, statistics.median(over)):.1f} over the limit"
                    f" in the median of {rounds} rounds, at most {max(0, *over):.1f};"
                    f" bound {number * (policy.unconfirmed_max + policy.untold_burst)} at once"
                )
        for number in processes:
            costs: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
            for turn in range(turns):
                for exact in (turn % 2 == 0, turn % 2 != 0):
                    costs[exact].append(measure_cost(pool, url, number, exact=exact))
            for exact, words in ((True, "asked"), (False, "reported")):
                web, valkey = (statistics.median(some) for some in zip(*costs[exact], strict=True))
                print(
                    f"{number} processes, {words}: {web:.0f} µs web, {valkey:.0f} µs valkey a request"
                )


if __name__ == "__main__":
    main([int(one) for one in sys.argv[1:]] or PROCESSES)
