"""`stampede bench --holds`: the time that the script for the best seats takes in Valkey, from 100 to
100,000 seats and from none to 99 % sold, beside the scripts of another folder (`--against`) if given.

Each cell's state is restored before every chunk of calls, so that an area stays as full as its row says,
and chunks of both scripts alternate. The time is the server's own (`INFO commandstats`, µs in the
script). The lowest chunk counts, since interruptions only add time. One call precedes each chunk: the
first search after loading is not typical of a sale. `again` measures the same scripts a second time in
the same turns: the difference is noise.
"""

import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import redis
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from booking.seats.holds import LUA
from booking.seats.keys import NAMES, SENTINEL
from chassis.redis.scripts import Script, load_scripts
from runtime.embedded import EmbeddedServers

SIZES = (100, 1_000, 10_000, 100_000)
SOLD_PERCENT = (0, 50, 90, 99)
QUANTITIES = (1, 2, 4)
HOWS = ("at random", "by best available")
ROUNDS = 31
CHUNK_MAX = 40  # calls; short enough that most chunks are not interrupted
USED_MAX = 8  # a chunk takes at most an eighth of the free seats
FILL_BATCH_MAX = 500
PARTY = 2  # seats per order of earlier buyers
NO_CAP = 1_000_000
KEYS = [f"{name}:{{bench}}" for name in NAMES]


class Cell(msgspec.Struct, frozen=True):
    """µs per call: these scripts, these again, and the others if given."""

    seats: int
    sold_percent: int
    how: str
    quantity: int
    us: float
    again_us: float
    against_us: float | None


Say = Callable[[str], None]


def bench_holds(against: Path | None, *, as_json: bool) -> None:
    """Runs all cells and prints them."""
    err = Console(stderr=True)
    cells = run_holds(against, lambda line: err.print(line, highlight=False))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode({"holds": cells})).decode())
    else:
        print_holds(cells, Console(width=None if sys.stdout.isatty() else 160))


def run_holds(
    against: Path | None,
    say: Say,
    *,
    sizes: Sequence[int] = SIZES,
    sold_percent: Sequence[int] = SOLD_PERCENT,
    rounds: int = ROUNDS,
) -> list[Cell]:
    with tempfile.TemporaryDirectory(prefix="stampede-bench-") as directory:
        servers = EmbeddedServers(Path(directory), postgres=False)
        try:
            client = redis.Redis.from_url(servers.start().redis_url)
            scripts = [Scripts(client, LUA)]
            scripts += [Scripts(client, against)] if against is not None else []
            cells = []
            for seats, how, percent in product(sizes, HOWS, sold_percent):
                say(f"{seats:,} seats, {percent} % sold {how} ...")
                states = [one.state(seats, percent, how) for one in scripts]
                for quantity in QUANTITIES:
                    cells.append(_cell(scripts, states, (seats, percent, how), quantity, rounds))
            return cells
        finally:
            servers.stop()


def _cell(
    scripts: "Sequence[Scripts]",
    states: "Sequence[State]",
    where: tuple[int, int, str],
    quantity: int,
    rounds: int,
) -> Cell:
    turns = [(scripts[0], states[0]), *zip(scripts[1:], states[1:], strict=True)]
    turns.append((scripts[0], states[0]))
    spent: list[list[float]] = [[] for _ in turns]
    for number in range(rounds):
        order = list(range(len(turns)))
        for turn in order if number % 2 else reversed(order):
            one, state = turns[turn]
            spent[turn].append(one.chunk(state, where[0], quantity))
    least = [round(min(times), 1) for times in spent]
    return Cell(*where, quantity, least[0], least[-1], least[1] if len(turns) > 2 else None)


class State(msgspec.Struct, frozen=True):
    """An area sold to a given degree: its bytes and its derived values."""

    seats: bytes
    meta: dict[bytes, bytes]

    @property
    def free(self) -> int:
        return self.seats.count(b".")


class Scripts:
    """A folder of Lua scripts on a server. Scripts from before accessible seats get `0` for `seats`, and
    have `|` for an aisle."""

    def __init__(self, client: "redis.Redis", lua: Path) -> None:
        self._client = client
        self._script: Script = load_scripts(lua)["hold_best"]
        client.script_load(self._script.text)
        before = "standing" in self._script.header.split("RETURNS")[0].split("ARGV")[1]
        self._kind, self._aisle = ("0", b"|") if before else ("seats", b"/")

    def state(self, seats: int, percent: int, how: str) -> State:
        layout = self._layout(seats)
        sold = seats * percent // 100
        if how == "at random":
            taken = bytearray(layout)
            places = [at for at, byte in enumerate(layout) if byte == ord(".")]
            for at in random.Random(seats + percent).sample(places, sold):
                taken[at] = ord("s")
            return State(bytes(taken), {SENTINEL.encode(): b"1"})
        self._put(State(layout, {SENTINEL.encode(): b"1"}))
        while (left := sold - self._held()) > 0:
            self._hold(min(FILL_BATCH_MAX, -(-left // PARTY)), PARTY, seats)
        found: Any = self._client.hgetall(KEYS[1])
        return State(bytes(self._read()), found)

    def chunk(self, state: State, seats: int, quantity: int) -> float:
        """µs per call: the mean of one chunk in this state."""
        self._put(state)
        self._hold(1, quantity, seats)
        calls = max(1, min(CHUNK_MAX, state.free // (USED_MAX * quantity)))
        self._client.config_resetstat()
        self._hold(calls, quantity, seats)
        counted: Any = self._client.info("commandstats")
        return float(counted["cmdstat_evalsha"]["usec"]) / calls

    def _layout(self, seats: int) -> bytes:
        """Rows of twenty seats, an aisle, and twenty seats. A hundred seats: five rows of twenty."""
        row = b"." * 20 if seats == SIZES[0] else b"." * 20 + self._aisle + b"." * 20
        return b"|".join([row] * (seats // row.count(b".")))

    def _put(self, state: State) -> None:
        """As just loaded, except for the derived values of the area."""
        pipe = self._client.pipeline(transaction=False)
        pipe.unlink(*KEYS)
        pipe.set(KEYS[0], state.seats)
        known: Any = state.meta
        pipe.hset(KEYS[1], mapping=known)
        for key in KEYS[2:5]:
            pipe.hset(key, SENTINEL, "1")
        pipe.zadd(KEYS[5], {SENTINEL: "+inf"})
        pipe.execute()

    def _hold(self, calls: int, quantity: int, seats: int) -> None:
        pipe = self._client.pipeline(transaction=False)
        last = len(self._layout(seats))
        for _ in range(calls):
            order, user = str(uuid4()), str(uuid4())
            args: list[str | int] = [order, user, NO_CAP, 10_000, "", 1, last, quantity, self._kind]
            pipe.evalsha(self._script.digest, len(KEYS), *KEYS, *args)
        pipe.execute()

    def _held(self) -> int:
        return self._read().count(b"h")

    def _read(self) -> bytes:
        found: Any = self._client.get(KEYS[0])
        return bytes(found)


def print_holds(cells: Sequence[Cell], console: Console) -> None:
    table = Table(box=SIMPLE, title="hold_best: µs in the script, a call")
    for name in ("seats", "sold", "how", *(f"{q} seats" for q in QUANTITIES)):
        table.add_column(name, justify="right")
    for (seats, how, percent), some in _rows(cells):
        texts = [
            f"{one.us:.1f}" + (f" ({one.against_us:.1f})" if one.against_us is not None else "")
            for one in some
        ]
        table.add_row(f"{seats:,}", f"{percent} %", how, *texts)
    console.print(table)
    apart = sorted(abs(one.again_us / one.us - 1) for one in cells)
    console.print(
        f"  noise, the same twice: {statistics.median(apart):.1%} in the middle, {apart[-1]:.1%} at most",
        highlight=False,
    )
    ratios = sorted(one.us / one.against_us for one in cells if one.against_us)
    if ratios:
        console.print(
            f"  these by (those): {statistics.median(ratios):.2f} in the middle,"
            f" {ratios[0]:.2f} to {ratios[-1]:.2f}",
            highlight=False,
        )


def _rows(cells: Sequence[Cell]) -> Iterator[tuple[tuple[int, str, int], list[Cell]]]:
    for seats, how, percent in product(SIZES, HOWS, SOLD_PERCENT):
        same = (seats, how, percent)
        yield same, [one for one in cells if (one.seats, one.how, one.sold_percent) == same]
