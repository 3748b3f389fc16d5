"""Redis (≥ 7.0, or Valkey): commands, and Lua scripts as checked, batched functions.

A script is a file with a header (STYLE.md, rule 4). All its keys are arguments and share one hash tag. It
verifies everything and then writes. It answers with a word first, and a word that is not in its header is
an error here.
"""

import hashlib
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chassis.context import current
from chassis.problems import Overloaded
from chassis.redis.pipeline import Pipeline
from chassis.redis.servers import Address, Servers
from chassis.redis.slots import Call

ANSWER_TIMEOUT_S = 2.0  # for a round trip, and for connecting

_WORD = re.compile(r"'([a-z_]+)'")
_INCLUDES = re.compile(r"^-- INCLUDES +(.+)$", re.MULTILINE)


class Script:
    """A Lua file: its name, header, text, SHA-1 digest, and the words that it may answer.

    `-- INCLUDES  runs, bounds` in the header inserts shared/runs.lua and shared/bounds.lua (only local
    functions) between the header and the rest.
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
    """Every .lua file of a folder, by name."""
    return {path.stem: Script(path) for path in sorted(directory.glob("*.lua"))}


class RedisCalls:
    """Commands and scripts of concurrent requests, gathered into pipelines.

    Each call has its own outcome. If Redis is down, or slower than ANSWER_TIMEOUT_S, it raises
    Unavailable: the request is refused, and nothing is assumed about what Redis did.
    """

    def __init__(
        self,
        servers: Servers,
        scripts: dict[str, Script],
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        texts = {script.digest: script.text for script in scripts.values()}
        self._servers = servers
        self._wire = Pipeline(servers, texts, answer_timeout_s=answer_timeout_s)
        self.submit = self._wire.submit
        self.submit_all = self._wire.submit_all
        self.submit_each = self._wire.submit_each
        self.connected_since = self._wire.connected_since
        self.close = self._wire.close

    async def command(self, *call: Any, beside: str | bytes | None = None) -> Any:
        """One command, in the next pipeline; its answer as Redis gives it, no client's dressing.

        beside: for a command without a key, the key whose node shall answer.
        """
        return await self._wire.submit(call, beside=beside)

    async def command_to_each_node(self, *call: Any) -> list[Any]:
        """The answers of every primary. Raises what the first of them that fails does."""
        if not self._wire.is_known:
            await self._wire.submit(("PING",))  # with it the nodes of a cluster become known
        return await self._wire.submit_to_each_node(call)

    async def look_at_nodes(self) -> dict[str, bool]:
        """Which primaries answer, by address. One server that is away now has the URL's name."""
        try:
            if not self._wire.is_known:
                await self._wire.submit(("PING",))
        except Overloaded:
            return {str(self._servers): False}
        nodes = self._wire.primaries()
        answers = await self._wire.submit_to_each_node(("PING",), each=True)
        return {
            str(node or self._servers): not isinstance(answer, BaseException)
            for node, answer in zip(nodes, answers, strict=True)
        }

    async def ping(self) -> None:
        """Raises Unavailable unless every primary answers."""
        await self.command_to_each_node("PING")

    @property
    def is_one_server(self) -> bool:
        """True if one server is known to have all keys, so that a script may have any of them."""
        return self._wire.is_one_server

    def node_of(self, key: str | bytes) -> Address | None:
        """Which node has the key now; None where there is one server only."""
        return self._wire.node_of(key)

    async def run(
        self, script: Script, keys: Sequence[str | bytes], args: Sequence[str | bytes | int]
    ) -> tuple[str, list[Any]]:
        """A script's answer as (word, rest). Raises LookupError on an undocumented word."""
        began_s = time.perf_counter()
        try:
            answer = await self._wire.submit(script.call(keys, args))
        finally:
            current().spend("redis", began_s, script.name)
        word = answer[0].decode("ascii") if isinstance(answer, list) else answer.decode("ascii")
        if word not in script.words:
            raise LookupError(f"{script.name}.lua returned {word!r}, which is not in its header")
        return word, answer[1:] if isinstance(answer, list) else []
