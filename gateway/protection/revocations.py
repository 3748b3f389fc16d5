"""Logins that have ended although their access tokens have not: refused from the next request on.

PostgreSQL at identity is the truth. Redis holds a copy that every process asks with each request, in
PARTS that a cluster spreads over its nodes: the hash `revoked-logins:{part}` has a field a login (its
value: the Unix second after which no token of it can be valid any more) and a field `loaded`. Without
`loaded` the copy says nothing, and identity's list is read and written over it. A process also writes
that list over it every few seconds, so that what Redis lost (a failover, a crash) is mended and what
has expired is dropped.

While Redis is away, identity itself is asked, at most once a second a process.
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
from chassis.observability import logs
from chassis.problems import Overloaded, Problem, Unavailable
from chassis.redis.scripts import RedisCalls, load_scripts
from chassis.redis.slots import Call
from chassis.seam.client import ServiceClient
from contracts.identity import ALL_REVOKED, REVOKED_LOGINS_PATH, RevokedLogins

PARTS = 16
KEYS = tuple(f"revoked-logins:{{{part}}}" for part in range(PARTS))
LOADED = "loaded"
SCRIPTS = load_scripts(Path(__file__).parent / "lua")
CLOCKS_APART_S = 60  # how far another machine's idea of a token's end may be from ours
TICKET_LIFE_S = 60  # longest that reading identity's list may take
RELOAD_EVERY_S = 5.0
RELOADS_MAX = 3  # when Redis loses its data again and again, the list that was read decides
MARK_AGAIN = Backoff(first_s=0.1, most_s=2.0)
WAITING_MAX = 20_000

log = logs.get("gateway")


class Revocations:
    """`question` goes into the request's pipeline, `is_revoked` judges what came back."""

    def __init__(self, redis: RedisCalls, identity: ServiceClient, *, token_life_s: int) -> None:
        self._redis = redis
        self._identity = identity
        self._token_life_s = token_life_s
        self._known: dict[str, int] = {}  # what this process has seen: once revoked, always
        self._loads: Coalescer[str, bool] = Coalescer(
            self._load_for, batch_max=WAITING_MAX, queue_max=WAITING_MAX
        )
        self._asked: FetchOnce[str, frozenset[str]] = FetchOnce(
            self._list_of_identity, ttl_s=1.0, entries_max=1
        )
        self._marking: set[asyncio.Task[None]] = set()

    def question(self, login_id: UUID) -> Call:
        return ("HMGET", key_of(login_id), LOADED, str(login_id))

    async def is_revoked(self, login_id: UUID, answer: Sequence[bytes | None] | None) -> bool:
        """`answer`: Redis' to `question`, None when Redis is away.

        Raises Unavailable when neither Redis nor identity can say: closed, not open.
        """
        login = str(login_id)
        if login in self._known:
            return True
        if answer is None:
            revoked = login in await self._asked.get("all")
        elif answer[1] is not None:
            revoked = True
        elif answer[0] is not None:
            return False
        else:
            revoked = await self._loads.call(login)
        if revoked:
            self._known[login] = self._until()
        return revoked

    async def mark(self, named: str) -> None:
        """`named`: the header's value. From the moment this returns every process refuses these logins, if
        Redis answers at all.

        Otherwise this one does, the others within a second of noticing that Redis is away, and the
        marks are written as soon as they can be.
        """
        if named == ALL_REVOKED:
            await self._read_anew()
            return
        logins = named.split(",")
        self._known |= dict.fromkeys(logins, self._until())
        try:
            await self._write(logins)
        except Overloaded:
            task = asyncio.get_running_loop().create_task(self._write_when_possible(logins))
            self._marking.add(task)
            task.add_done_callback(self._marking.discard)

    async def _read_anew(self) -> None:
        """More logins have ended than a header can name."""
        self._asked.forget("all")
        try:
            await self._loads.call("")
        except Problem as away:  # the keeper reads it within RELOAD_EVERY_S
            log.warning("revocations_not_reloaded", reason=away.detail or away.code)

    @contextlib.asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        """While open, identity's list is written over the copy every RELOAD_EVERY_S."""
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

    async def _write(self, logins: Sequence[str]) -> None:
        until = self._until()
        await asyncio.gather(
            *(
                self._redis.command("HSET", key, *_pairs(dict.fromkeys(some, until)))
                for key, some in _parts(logins).items()
            )
        )

    async def _write_when_possible(self, logins: Sequence[str]) -> None:
        failures = 1
        while self._known.get(logins[0], 0) > time.time():
            await asyncio.sleep(MARK_AGAIN.delay_s(failures))
            try:
                await self._write(logins)
            except Overloaded:
                failures += 1
            else:
                return

    async def _keep_fresh(self) -> None:
        while True:
            try:
                await self._loads.call("")
            except Problem as away:
                log.warning("revocations_not_reloaded", reason=away.detail or away.code)
            except Exception as bug:
                log.error("revocations_not_reloaded", exc_info=bug)
            now = time.time()
            self._known = {login: until for login, until in self._known.items() if until > now}
            await asyncio.sleep(RELOAD_EVERY_S)

    async def _load_for(self, logins: Sequence[str]) -> list[bool | BaseException]:
        """Identity is asked after each of these requests came in, so its list is new enough."""
        try:
            revoked = await self._load()
        except Problem as away:
            return [away for _ in logins]
        return [login in revoked for login in logins]

    async def _load(self) -> frozenset[str]:
        """Identity's list, now also in Redis, but for the parts that went away again."""
        revoked: dict[str, int] = {}
        left: Sequence[str] = KEYS
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
            word, _ = await self._redis.run(
                SCRIPTS["revoked_logins"], [key], [ticket, now_s, *entries]
            )
        except Overloaded:
            return "away"
        return word

    async def _list_of_identity(self, _key: str) -> frozenset[str]:
        return frozenset(await self._ask_identity())

    async def _ask_identity(self) -> dict[str, int]:
        answer = await self._identity.get(REVOKED_LOGINS_PATH, RevokedLogins)
        if answer is None:
            raise Unavailable("Nobody can say which logins have ended.")
        return {str(one.login_id): int(one.until.timestamp()) + 1 for one in answer.logins}


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
