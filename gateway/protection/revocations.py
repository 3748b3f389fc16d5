"""Revoked logins: their access tokens are still valid, but are refused from the next request on.

Identity's PostgreSQL decides. Every process knows the list, and is told what is new by Redis (lease.py).
While its lease is good it asks nobody. Otherwise it asks Redis' copy of the list about each request's login.

The copy is in PARTS that a cluster spreads over its nodes. The hash `revoked-logins:{part}` has a field per
login (its value is the Unix second after which all its tokens have expired) and a field `loaded`. Without
`loaded` the copy counts for nothing, so identity's list is read and written over it. Each process also
rewrites the copy every few seconds. That restores what Redis lost (a failover, a crash) and drops expired
entries. A process of a release without leases revokes logins in the copy alone. It writes `loaded` as 1, and
while there is such a process nobody has a lease.

While Redis is away, identity is asked directly, at most once per second and process.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from uuid import UUID

from chassis.concurrency.backoff import Backoff
from chassis.concurrency.cache import FetchOnce
from chassis.concurrency.coalescer import Coalescer
from chassis.concurrency.rounds import repeat
from chassis.observability import logs
from chassis.problems import Overloaded, Problem, Unavailable
from chassis.redis.scripts import RedisCalls, load_scripts
from chassis.redis.slots import Call
from chassis.seam.client import ServiceClient
from contracts.identity import ALL_REVOKED, REVOKED_LOGINS_PATH, RevokedLogins
from gateway.protection.lease import Lease

PARTS = 16
KEYS = tuple(f"revoked-logins:{{{part}}}" for part in range(PARTS))
LOADED = "loaded"
SCRIPTS = load_scripts(Path(__file__).parent / "lua")
CLOCKS_APART_S = 60  # tolerated clock difference between machines
TICKET_LIFE_S = 60  # longest time that reading identity's list may take
RELOAD_INTERVAL_S = 5.0
OLDER_S = 3 * RELOAD_INTERVAL_S  # a release without leases writes `loaded` so often
RELOADS_MAX = 3  # if Redis loses its data again and again, the list just read decides
MARK_AGAIN = Backoff(first_s=0.1, most_s=2.0)
WAITING_MAX = 20_000

log = logs.get("gateway")


class Revocations:
    """While `lease` is good, `is_known` says all. Else put `question` into the request's pipeline;
    `is_revoked` judges the answer."""

    def __init__(self, redis: RedisCalls, identity: ServiceClient, *, token_life_s: int) -> None:
        self._redis = redis
        self._identity = identity
        self._token_life_s = token_life_s
        self.lease = Lease(redis, self._learn)
        # revoked logins this process has heard of, as integers; a revocation is final
        self._known: dict[int, int] = {}
        self._loads: Coalescer[str, bool] = Coalescer(
            self._load_for,
            batch_max=WAITING_MAX,
            queue_max=WAITING_MAX,
            name="gateway_revocations",
            stage=None,
        )
        self._asked: FetchOnce[str, frozenset[str]] = FetchOnce(
            self._list_of_identity, ttl_s=1.0, entries_max=1
        )
        self._marking: set[asyncio.Task[None]] = set()

    def is_known(self, login_id: UUID) -> bool:
        """True if this process has heard that the login was revoked."""
        return login_id.int in self._known

    def question(self, login_id: UUID) -> Call:
        return ("HMGET", key_of(login_id), LOADED, str(login_id))

    async def is_revoked(self, login_id: UUID, answer: Sequence[bytes | None] | None) -> bool:
        """`answer`: Redis's answer to `question`, None if Redis is away.

        Raises Unavailable if neither Redis nor identity can tell: the gateway refuses rather than
        guesses.
        """
        if login_id.int in self._known:
            return True
        login = str(login_id)
        if answer is None:
            revoked = login in await self._asked.get("all")
        elif answer[1] is not None:
            revoked = True
        elif answer[0] is not None:
            return False
        else:
            revoked = await self._loads.call(login)
        if revoked:
            self._known[login_id.int] = self._until()
        return revoked

    async def mark(self, named: str) -> None:
        """Revokes the logins that the header's value `named` lists. Takes LEASE_S.

        If Redis answers, every process refuses them once this returns. If not, this process refuses
        them at once, and the others within a second of noticing that Redis is away. The marks are
        then written as soon as Redis is back.
        """
        if named == ALL_REVOKED:
            await self._read_anew()
        else:
            self._learn(named)
        try:
            await self._write(named)
        except Overloaded:
            task = asyncio.get_running_loop().create_task(self._write_when_possible(named))
            self._marking.add(task)
            task.add_done_callback(self._marking.discard)
        await self.lease.run_out()

    def _learn(self, named: str) -> None:
        """`named`: as `mark` was given it, here or in another process."""
        if named == ALL_REVOKED:
            self.lease.lose()
        elif named:
            until = self._until()
            self._known |= {UUID(login).int: until for login in named.split(",")}

    async def _read_anew(self) -> None:
        """Reads identity's list, because more logins were revoked than a header can name."""
        self._asked.forget("all")
        try:
            await self._loads.call("")
        except Problem as away:  # the keeper reads the list within RELOAD_INTERVAL_S
            log.warning("revocations_not_reloaded", reason=away.detail or away.code)

    @contextlib.asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        """While open, writes identity's list over the copy every RELOAD_INTERVAL_S."""
        keeper = asyncio.get_running_loop().create_task(self._keep_fresh())
        try:
            yield
        finally:
            tasks = [keeper, *self._marking]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._loads.drain()

    def _until(self) -> int:
        return int(time.time()) + self._token_life_s + CLOCKS_APART_S

    async def _write(self, named: str) -> None:
        """Raises Overloaded if not all of it was written."""
        until = self._until()
        logins = [] if named == ALL_REVOKED else named.split(",")
        calls = [
            ("HSET", key, *_pairs(dict.fromkeys(some, until)))
            for key, some in _parts(logins).items()
        ]
        for answer in await self._redis.submit_each([*calls, self.lease.mark(named)]):
            if isinstance(answer, BaseException):
                raise answer

    async def _write_when_possible(self, named: str) -> None:
        failures = 1
        until = self._until()
        while until > time.time():
            await asyncio.sleep(MARK_AGAIN.delay_s(failures))
            try:
                await self._write(named)
            except Overloaded:
                failures += 1
            else:
                return

    async def _keep_fresh(self) -> None:
        async def reload() -> None:
            now = time.time()
            self._known = {login: until for login, until in self._known.items() if until > now}
            await self._loads.call("")

        def failed(failure: Exception, _failures: int) -> None:
            if isinstance(failure, Problem):
                log.warning("revocations_not_reloaded", reason=failure.detail or failure.code)
            else:
                log.error("revocations_not_reloaded", exc_info=failure)

        await repeat(
            reload, None, interval_s=RELOAD_INTERVAL_S, retry=RELOAD_INTERVAL_S, failed=failed
        )

    async def _load_for(self, logins: Sequence[str]) -> list[bool | BaseException]:
        """One answer per login. Identity is asked after all these requests arrived, so its list is
        recent enough."""
        try:
            revoked = await self._load()
        except Problem as away:
            return [away for _ in logins]
        return [login in revoked for login in logins]

    async def _load(self) -> frozenset[str]:
        """Identity's list. It is now also in Redis, except for parts that went away again. Until the next
        one, the lease says what is new."""
        revoked: dict[str, int] = {}
        left: Sequence[str] = KEYS
        last_mark = await self.lease.last_mark()  # what it marks is in identity's list
        for _ in range(RELOADS_MAX):
            ticket = f"loading:{secrets.token_hex(8)}"
            now_s = int(time.time())
            await self._put_tickets(left, ticket, now_s)
            revoked = await self._ask_identity()
            parts = _parts(revoked)
            words = await asyncio.gather(
                *(self._load_part(key, ticket, now_s, revoked, parts.get(key, [])) for key in left)
            )
            left = [key for key, word in zip(left, words, strict=True) if word == "lost"]
            if not left:
                break
        if last_mark is not None:
            self.lease.begin(last_mark)
        return frozenset(revoked)

    async def _put_tickets(self, keys: Sequence[str], ticket: str, now_s: int) -> None:
        calls = [("HSET", key, ticket, now_s + TICKET_LIFE_S) for key in keys]
        with contextlib.suppress(Overloaded):
            for answer in await self._redis.submit_each(calls):
                if isinstance(answer, BaseException) and not isinstance(answer, Overloaded):
                    raise answer

    async def _load_part(
        self, key: str, ticket: str, now_s: int, revoked: dict[str, int], logins: Sequence[str]
    ) -> str:
        entries = _pairs({login: revoked[login] for login in logins})
        try:
            word, rest = await self._redis.run(
                SCRIPTS["revoked_logins"], [key], [ticket, now_s, *entries]
            )
        except Overloaded:
            return "away"
        if word == "loaded" and rest[1] < OLDER_S:
            self.lease.suspend(OLDER_S)
        return word

    async def _list_of_identity(self, _key: str) -> frozenset[str]:
        return frozenset(await self._ask_identity())

    async def _ask_identity(self) -> dict[str, int]:
        answer = await self._identity.get(REVOKED_LOGINS_PATH, RevokedLogins)
        if answer is None:
            raise Unavailable("The list of revoked logins is unavailable.")
        revoked = {one.login_id: int(one.until.timestamp()) + 1 for one in answer.logins}
        self._known |= {login.int: until for login, until in revoked.items()}
        return {str(login): until for login, until in revoked.items()}


def key_of(login_id: UUID) -> str:
    return KEYS[login_id.int % PARTS]


def _parts(logins: Iterable[str]) -> dict[str, list[str]]:
    """Logins by the key that they are kept under."""
    found: dict[str, list[str]] = {}
    for login in logins:
        found.setdefault(key_of(UUID(login)), []).append(login)
    return found


def _pairs(entries: Mapping[str, int]) -> list[str | int]:
    return [one for entry in entries.items() for one in entry]
