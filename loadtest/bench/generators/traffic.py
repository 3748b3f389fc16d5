"""What a generator sends: calls with holes, rows that fill them, buyers in turn.

Both generators (wrk with crowd.lua, and the built-in one) read the same plan, so that a figure does
not depend on which of them was there.
"""

import secrets
from pathlib import Path

import msgspec

PLAN, CALLS, ROWS, TOKENS = "plan.lua", "calls.json", "rows.txt", "tokens.txt"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request. `$1` to `$9` in path, headers and body are the columns of its row, `$order`
    the id of an order that an earlier call of this traffic was answered with.

    expects: the statuses that are right; any other fails the case.
    says: what the body of such an answer must contain ("" for anything), told by status.
    weight: its share among the traffic's calls.
    orders: its 201 gives an order to those calls that need one.
    """

    name: str
    method: str = "GET"
    path: str
    body: str = ""
    headers: dict[str, str] = {}
    expects: dict[int, str]
    weight: int = 1
    with_token: bool = False
    with_key: bool = False
    orders: bool = False

    @property
    def needs_order(self) -> bool:
        return "$order" in self.path


class KeyedLock(msgspec.Struct, frozen=True):
    """A traffic without its long lists: call numbers from 1 in their order, over and over."""

    calls: list[Call]
    turns: list[int]
    tag: str
    addresses: int


class Traffic(msgspec.Struct, kw_only=True):
    """Calls in turn by weight; request number n uses row n, buyer n and an address of its own, each
    modulo how many there are. `addresses` 0: none is sent. `first` moves on from run to run, so that
    no idempotency key and no row of exact seats comes twice.
    """

    base_url: str
    calls: list[Call]
    rows: list[tuple[str, ...]] = msgspec.field(default_factory=lambda: [()])
    tokens: list[str] = []
    addresses: int = 20_000
    first: int = 0
    tag: str = msgspec.field(default_factory=lambda: secrets.token_hex(4))

    def turns(self) -> list[int]:
        """Call numbers from 1, spread evenly by weight."""
        total = sum(call.weight for call in self.calls)
        owed = [0.0] * len(self.calls)
        turns = []
        for _ in range(total):
            owed = [one + call.weight for one, call in zip(owed, self.calls, strict=True)]
            most = max(range(len(owed)), key=owed.__getitem__)
            owed[most] -= total
            turns.append(most + 1)
        return turns

    def write(self, folder: Path) -> None:
        """The plan as Lua and as JSON, its long lists a line each."""
        (folder / PLAN).write_text(self._as_lua(), encoding="utf-8")
        short = KeyedLock(self.calls, self.turns(), self.tag, self.addresses)
        (folder / CALLS).write_bytes(msgspec.json.encode(short))
        rows = "".join("\t".join(row) + "\n" for row in self.rows)
        (folder / ROWS).write_text(rows, encoding="utf-8")
        (folder / TOKENS).write_text("".join(f"{one}\n" for one in self.tokens), encoding="utf-8")

    def _as_lua(self) -> str:
        calls = ",\n".join(_call_as_lua(call) for call in self.calls)
        turns = ",".join(map(str, self.turns()))
        return (
            f"return {{addresses={self.addresses}, tag={_text(self.tag)}, turns={{{turns}}},\n"
            f"calls={{{calls}}}}}\n"
        )


def _call_as_lua(call: Call) -> str:
    headers = ",".join(f"[{_text(name)}]={_text(value)}" for name, value in call.headers.items())
    expects = ",".join(f"[{status}]={_text(says)}" for status, says in call.expects.items())
    fields = {
        "name": _text(call.name),
        "method": _text(call.method),
        "path": _text(call.path),
        "body": _text(call.body),
        "headers": f"{{{headers}}}",
        "expects": f"{{{expects}}}",
        "with_token": str(call.with_token).lower(),
        "with_key": str(call.with_key).lower(),
        "orders": str(call.orders).lower(),
        "needs_order": str(call.needs_order).lower(),
    }
    return "{" + ", ".join(f"{name}={value}" for name, value in fields.items()) + "}"


def _text(value: str) -> str:
    """A Lua string of any text: every byte that is not plain is escaped by number."""
    return '"' + "".join(chr(b) if _plain(b) else f"\\{b:03d}" for b in value.encode()) + '"'


def _plain(byte: int) -> bool:
    return 32 <= byte < 127 and byte not in b'"\\'


class Heard(msgspec.Struct, frozen=True):
    """What a generator heard: `by_call[name][status]` answers, latencies in ms, what was wrong.

    next: the first request number that was not used. wrong: answers that were not expected, by
    "call status" or "call status: body"; errors: connections refused, cut or without an answer.
    """

    seconds: float
    next: int
    by_call: dict[str, dict[str, int]]
    latency: dict[str, "Latency"]
    wrong: dict[str, int]
    errors: int


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds. `all` is every answer; a traffic of several calls has one more by each name."""

    p50: float
    p95: float
    p99: float
    max: float
