"""Two processes of every service on loopback, and clients that call the two gateways as a balancer does."""

import asyncio
import contextlib
import itertools
import random
import secrets
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil

from chassis.seam.hosts import Host, Hosts
from chassis.seam.upstream import HttpUpstream, Message
from tests.support.platform import SERVICES, START_DEADLINE_S, RunningPlatform, environment
from tests.support.servers import free_port

TWINS = ("127.0.0.1", "127.0.0.2")
ROLES = (*SERVICES, "gateway")
END_WITHIN_S = 40.0
RETRIES_MAX = 30


class Fleet(RunningPlatform):
    """Processes by name: `booking 127.0.0.1`, `booking 127.0.0.2` and so on, and `worker`."""

    def __init__(self, data_dir: Path, ports: dict[str, int], environ: dict[str, str]) -> None:
        super().__init__(f"http://{TWINS[0]}:{ports['gateway']}", data_dir, environ)
        self.ports = ports
        self.twins = [(role, host) for role in ROLES for host in TWINS]

    def launch(self, role: str, host: str) -> None:
        environ, self.environ = self.environ, self.environ | {"STAMPEDE_HOST": host}
        port = str(self.ports[role])
        self.start(f"{role} {host}", "serve", role, "--port", port, "--workers", "1")
        self.environ = environ

    async def serves(self, role: str, host: str) -> None:
        await asyncio.to_thread(self.wait_for_twin, role, host)

    def wait_for_twin(self, role: str, host: str) -> None:
        self.wait_for_port(f"{role} {host}", self.ports[role], host)

    def terminate(self, role: str, host: str) -> subprocess.Popen[bytes]:
        process = self.processes[f"{role} {host}"]
        process.send_signal(signal.SIGTERM)
        return process

    async def restart(self, role: str, host: str) -> None:
        """As an operator does it: SIGTERM, and a start when it has ended."""
        process = self.terminate(role, host)
        await asyncio.to_thread(process.wait, END_WITHIN_S)
        self.launch(role, host)
        await self.serves(role, host)

    async def kill(self, role: str, host: str) -> None:
        """All of it at once, with SIGKILL: as when its machine dies."""
        process = self.processes[f"{role} {host}"]
        family = [process, *psutil.Process(process.pid).children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        await asyncio.to_thread(process.wait, END_WITHIN_S)


@contextlib.contextmanager
def two_of_each(data_dir: Path, **settings: str) -> Iterator[Fleet]:
    ports = {role: free_port() for role in ROLES}
    urls = {
        f"STAMPEDE_{name.upper()}_URL": ",".join(f"http://{host}:{ports[name]}" for host in TWINS)
        for name in SERVICES
    }
    settings = {"STAMPEDE_PUBLIC_URL": "http://tickets.example"} | urls | settings
    fleet = Fleet(data_dir, ports, environment(**settings))
    try:
        fleet.start("migrate", "migrate")
        assert fleet.processes.pop("migrate").wait(START_DEADLINE_S) == 0
        fleet.start("worker", "worker")
        for host in TWINS:  # ten at once would take too long to start on two cores
            for role in ROLES:
                fleet.launch(role, host)
            for role in ROLES:
                fleet.wait_for_twin(role, host)
        yield fleet
    finally:
        fleet.stop()


class BalancedAnswer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Balancer:
    """Clients of both gateways, which never see which one answers: our own upstream does the balancing."""

    def __init__(self, port: int) -> None:
        hosts = Hosts("127.0.0.1", port, known=[Host(host) for host in TWINS])
        self._upstream = HttpUpstream(f"http://127.0.0.1:{port}", hosts=hosts)

    async def __aenter__(self) -> "Balancer":
        await self._upstream.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._upstream.close()

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str = "", key: str = ""
    ) -> BalancedAnswer:
        """Raises ConnectionAbortedError if an answer is cut short."""
        sent = msgspec.json.encode(body) if body is not None else b""
        headers = [(b"content-type", b"application/json")] if sent else []
        headers += [(b"authorization", f"Bearer {token}".encode())] if token else []
        headers += [(b"idempotency-key", key.encode())] if key else []
        asked = False
        answer = BalancedAnswer(0, {}, b"")

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await asyncio.Event().wait()
            asked = True
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {k.decode(): v.decode("latin-1") for k, v in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": f"/api/v1{path}",
            "raw_path": f"/api/v1{path}".encode(),
            "query_string": query.encode(),
            "headers": headers,
        }
        await self._upstream(scope, receive, send)
        return answer


class Failure(msgspec.Struct):
    what: str
    outcome: str  # status and code, or an exception
    retry_after: bool
    key: str = ""
    token: str = ""


class Buyers:
    """Requests at a steady rate, whatever becomes of them: of four, one order with a key, three reads."""

    def __init__(
        self, balancer: Balancer, session: Any, tokens: list[str], *, rate_per_s: float
    ) -> None:
        self._balancer = balancer
        self._order = {
            "session_id": session["session_id"],
            "seat_area_id": session["seat_areas"][0]["area_id"],
            "quantity": 1,
        }
        self._show_id = session["show_id"]
        self._tokens = tokens
        self._every_s = 1 / rate_per_s
        self._enough = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self.requests = 0
        self.outcomes: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.orders: dict[str, str] = {}  # by key
        self.slowest_s = 0.0
        self._work = asyncio.create_task(self._run())

    async def end(self) -> None:
        self._enough.set()
        await self._work
        await asyncio.gather(*self._calls)

    async def answered(self, more: int) -> None:
        wanted = self.outcomes.total() + more
        async with asyncio.timeout(60):
            while self.outcomes.total() < wanted:  # noqa: ASYNC110  answers have no bell
                await asyncio.sleep(0.02)

    async def retry(self, failure: Failure) -> BalancedAnswer:
        """The failed order again, with its key, as often as an answer says to come back."""
        for _ in range(RETRIES_MAX):
            answer = await self._balancer.call(
                "POST", "/orders", self._order, token=failure.token, key=failure.key
            )
            if answer.status != 503:
                break
            await asyncio.sleep(0.5)
        return answer

    async def _run(self) -> None:
        due = time.monotonic()
        for number in itertools.count():
            if self._enough.is_set():
                return
            call = asyncio.create_task(self._one(number, random.choice(self._tokens)))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            due += self._every_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _one(self, number: int, token: str) -> None:
        self.requests += 1
        key, body = "", None
        match number % 4:
            case 0:
                method, path, body, key = "POST", "/orders", self._order, secrets.token_hex(8)
            case 1:
                method, path = "GET", f"/shows/{self._show_id}"
            case 2:
                method, path = "GET", "/auth/me"
            case _:
                method, path = "GET", "/orders?page_size=1"
        began = time.monotonic()
        retry_after = False
        try:
            answer = await self._balancer.call(method, path, body, token=token, key=key)
            outcome = str(answer.status)
            if answer.status >= 400:
                outcome = f"{answer.status} {answer.json['code']}"
            retry_after = "retry-after" in answer.headers
            if answer.status == 201:
                self.orders[key] = answer.json["order_id"]
        except Exception as failure:
            outcome = type(failure).__name__
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.outcomes[outcome] += 1
        if outcome not in {"200", "201"}:
            self.failures.append(Failure(f"{method} {path}", outcome, retry_after, key, token))
