"""The traffic of a generator: calls with placeholders, rows that fill them, and buyers in turn.

Both generators (wrk with crowd.lua, and the built-in one) read the same plan, so that a figure does not
depend on the generator.
"""

import secrets
from pathlib import Path

import msgspec

PLAN, CALLS, ROWS, TOKENS = "plan.lua", "calls.json", "rows.txt", "tokens.txt"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request. `$1` to `$9` in path, headers and body are columns of its row. `$order` is the
    id of an order from an earlier answer of this traffic.

    expects: the right statuses; any other fails the case.
    says: what the body of each such answer must contain ("" for anything), by status.
    weight: its share of the traffic's calls.
    orders: true if its 201 provides an order for calls that need one.
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


class Calls(msgspec.Struct, frozen=True):
    """A traffic without its long lists: call numbers, starting at 1, repeated in this order."""

    calls: list[Call]
    turns: list[int]
    tag: str
    addresses: int


class Traffic(msgspec.Struct, kw_only=True):
    """Calls in turn by weight. Request number n uses row n, buyer n and an address of its own, each
    modulo their number. `addresses` 0: no address is sent. `first` advances from run to run, so that no
    idempotency key and no row of exact seats is used twice."""

    base_url: str
    calls: list[Call]
    rows: list[tuple[str, ...]] = msgspec.field(default_factory=lambda: [()])
    tokens: list[str] = []
    addresses: int = 20_000
    first: int = 0
    tag: str = msgspec.field(default_factory=lambda: secrets.token_hex(4))

    def turns(self) -> list[int]:
        """Call numbers, starting at 1, spread evenly by weight."""
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
        """Writes the plan as Lua and as JSON, and its long lists line by line."""
        (folder / PLAN).write_text(self._as_lua(), encoding="utf-8")
        short = Calls(self.calls, self.turns(), self.tag, self.addresses)
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
    """A Lua string for any text: all special bytes are escaped by number."""
    return '"' + "".join(chr(b) if _plain(b) else f"\\{b:03d}" for b in value.encode()) + '"'


def _plain(byte: int) -> bool:
    return 32 <= byte < 127 and byte not in b'"\\'


class Heard(msgspec.Struct, frozen=True):
    """A generator's results: `by_call[name][status]` answers, latencies in ms, and errors.

    next: the first unused request number. wrong: unexpected answers, by "call status" or "call status:
    body". errors: connections that were refused, cut, or without an answer.
    """

    seconds: float
    next: int
    by_call: dict[str, dict[str, int]]
    latency: dict[str, "Latency"]
    wrong: dict[str, int]
    errors: int


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds. `all` covers every answer. A traffic of several calls also has one per name."""

    p50: float
    p95: float
    p99: float
    max: float
