"""Redis (≥ 7.0, or Valkey): the client, and Lua scripts as checked, coalesced functions.

A script is a file with a header (STYLE.md, rule 4). All its keys are passed in and share one hash
tag; it verifies everything, then writes; it answers with a word first, and a word that its header
does not name is an error here.
"""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis.asyncio
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from chassis.coalescer import Coalescer
from chassis.problems import Unavailable

ANSWER_TIMEOUT_S = 2.0  # a round trip, connecting included
CONNECTIONS_MAX = 8
PIPELINE_MAX = 128  # calls a round trip
WAITING_MAX = 20_000  # calls waiting for one; beyond it the caller is told 503

Call = tuple[Any, ...]  # one command: ("EVALSHA", sha, 2, key, key, arg)
_WORD = re.compile(r"'([a-z_]+)'")
_INCLUDES = re.compile(r"^-- INCLUDES +(.+)$", re.MULTILINE)

# What a server says that is loading, failing over, full, or not ours: unavailable, not our mistake.
_NOT_READY = (
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
_NOT_READY_WORDS = frozenset({"BUSY", "MISCONF", "NOREPLICAS", "UNKILLABLE"})


def open_redis(url: str) -> "Redis":
    """A client with a few connections; raw bytes in and out.

    It never repeats a command by itself: a hold whose answer was lost may have happened.
    """
    return redis.asyncio.from_url(
        url,
        max_connections=CONNECTIONS_MAX,
        socket_timeout=ANSWER_TIMEOUT_S,
        socket_connect_timeout=ANSWER_TIMEOUT_S,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 0),
        decode_responses=False,
    )


class Script:
    """A Lua file: its name, header, text, SHA-1 digest, and the words it may answer with.

    `-- INCLUDES  runs, cursors` in the header puts shared/runs.lua and shared/cursors.lua (local
    functions and nothing else) between the header and the rest.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        end = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
        self.header = "".join(lines[:end])
        named = _INCLUDES.search(self.header)
        self.includes = tuple(named[1].split(", ")) if named else ()
        shared = [path.parent / "shared" / f"{name}.lua" for name in self.includes]
        parts = [one.read_text(encoding="utf-8") for one in shared]
        self.text = "".join([self.header, *parts, *lines[end:]])
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        self.words = frozenset(_WORD.findall(self.header))

    def call(self, keys: Sequence[str | bytes], args: Sequence[str | bytes | int]) -> Call:
        return ("EVALSHA", self.digest, len(keys), *keys, *args)


def load_scripts(directory: Path) -> dict[str, Script]:
    """Every .lua file of a folder by its name."""
    return {path.stem: Script(path) for path in sorted(directory.glob("*.lua"))}


class RedisCalls:
    """Commands and scripts of concurrent requests, gathered into pipelines.

    Each call has its own outcome. Redis being away, or slow beyond ANSWER_TIMEOUT_S, is raised as
    Unavailable: the caller's request is refused and nothing is assumed about what Redis did.
    """

    def __init__(
        self,
        client: "Redis",
        scripts: dict[str, Script],
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self.client = client
        self._answer_timeout_s = answer_timeout_s
        self._by_digest = {script.digest: script for script in scripts.values()}
        self._calls: Coalescer[Call, Any] = Coalescer(
            self._round_trip, batch_max=PIPELINE_MAX, queue_max=WAITING_MAX, concurrency=2
        )

    async def close(self) -> None:
        """After the round trips under way: one cut off would leave its connection open."""
        await self._calls.drain()
        await self.client.aclose()

    async def command(self, *call: Any) -> Any:
        """One command, in the next pipeline."""
        return await self._calls.call(call)

    def submit(self, call: Call) -> "asyncio.Future[Any]":
        """A command or `script.call(…)` in the next pipeline, waited for later; its raw answer."""
        return self._calls.submit(call)

    async def run(
        self, script: Script, keys: Sequence[str | bytes], args: Sequence[str | bytes | int]
    ) -> tuple[str, list[Any]]:
        """A script's answer as (word, the rest). Raises LookupError on an undocumented word."""
        answer = await self._calls.call(script.call(keys, args))
        word = answer[0].decode("ascii") if isinstance(answer, list) else answer.decode("ascii")
        if word not in script.words:
            raise LookupError(
                f"{script.name}.lua answered {word!r}, which its header does not name"
            )
        return word, answer[1:] if isinstance(answer, list) else []

    async def _round_trip(self, calls: Sequence[Call]) -> list[Any]:
        outcomes = await self._pipeline(calls)
        unknown = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, NoScriptError)]
        if unknown:  # a restarted or failed-over server: teach it, then only those again
            digests = sorted({calls[n][1] for n in unknown})
            taught = [("SCRIPT", "LOAD", self._by_digest[digest].text) for digest in digests]
            again = await self._pipeline([*taught, *(calls[n] for n in unknown)])
            for n, outcome in zip(unknown, again[len(taught) :], strict=True):
                outcomes[n] = outcome
        return outcomes

    async def _pipeline(self, calls: Sequence[Call]) -> list[Any]:
        """An outcome a call; never raises for what the server or the network does."""
        pipe = self.client.pipeline(transaction=False)
        for call in calls:
            pipe.execute_command(*call)
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                outcomes = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError) as down:  # TimeoutError is an OSError
            reason = f"Redis does not answer ({type(down).__name__})."
            return [Unavailable(reason) for _ in calls]
        return [_as_problem(outcome) for outcome in outcomes]


def _as_problem(outcome: Any) -> Any:
    if isinstance(outcome, _NOT_READY):
        return Unavailable(f"Redis is not ready ({type(outcome).__name__}).")
    if isinstance(outcome, ResponseError) and str(outcome).split(" ", 1)[0] in _NOT_READY_WORDS:
        return Unavailable("Redis is not ready.")
    return outcome
