"""`stampede bench --holds`: the time that a hold of the best seats takes in Valkey, from 100 to 100,000
seats and from none to 99 % sold, beside the scripts of another folder (`--against`) if given; and all CPU
that Valkey spends on an order, by how many orders come in one call.

Each cell's state is restored before every chunk of calls, so that an area stays as full as its row says,
and chunks of both scripts alternate. The time is the server's own (`INFO commandstats`, µs in the
script). The lowest chunk counts, since interruptions only add time. One call precedes each chunk: the
first search after loading is not typical of a sale. `again` measures the same scripts a second time in
the same turns: the difference is noise.
"""

import contextlib
import math
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

from booking.domain.scoring import scores_of_rows
from booking.seats.bytes import layout_of
from booking.seats.holds import LUA
from booking.seats.keys import NAMES, SENTINEL
from chassis.redis.scripts import load_scripts
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
ORDERS_A_CALL = (1, 8, 16, 32)
SALE_SEATS = 10_000
SALE_ORDERS = 1_024
SALE_WARM = 3  # the area is ranked by then
PIPELINE_ORDERS = 64
KEYS = [f"{name}:{{bench}}" for name in NAMES]


class Together(msgspec.Struct, frozen=True):
    """µs of the server's CPU an order, with everything: reading the call, the script, its answer."""

    kind: str
    orders_a_call: int
    us: float
    against_us: float | None


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
    with hold_scripts(against) as scripts:
        together = run_together(scripts)
        cells = run_holds(scripts, lambda line: err.print(line, highlight=False))
    if as_json:
        both = {"holds": cells, "together": together}
        print(msgspec.json.format(msgspec.json.encode(both)).decode())
    else:
        out = Console(width=None if sys.stdout.isatty() else 160)
        print_holds(cells, out)
        print_together(together, out)


@contextlib.contextmanager
def hold_scripts(against: Path | None) -> "Iterator[list[Scripts]]":
    """Ours, and the other folder's, on a server of their own."""
    with tempfile.TemporaryDirectory(prefix="stampede-bench-") as directory:
        servers = EmbeddedServers(Path(directory), postgres=False)
        try:
            client = redis.Redis.from_url(servers.start().redis_url)
            yield [Scripts(client, one) for one in (LUA, against) if one is not None]
        finally:
            servers.stop()


def run_holds(
    scripts: "Sequence[Scripts]",
    say: Say,
    *,
    sizes: Sequence[int] = SIZES,
    sold_percent: Sequence[int] = SOLD_PERCENT,
    rounds: int = ROUNDS,
) -> list[Cell]:
    cells = []
    for seats, how, percent in product(sizes, HOWS, sold_percent):
        say(f"{seats:,} seats, {percent} % sold {how} ...")
        states = [one.state(seats, percent, how) for one in scripts]
        for quantity in QUANTITIES:
            cells.append(_cell(scripts, states, (seats, percent, how), quantity, rounds))
    return cells


def run_together(scripts: "Sequence[Scripts]", *, rounds: int = ROUNDS) -> list[Together]:
    """In turns. Scripts that take one order a call are asked so many times in one pipeline."""
    found = []
    for kind, orders_a_call in product(("best", "exact"), ORDERS_A_CALL):
        spent: list[list[float]] = [[] for _ in scripts]
        for _ in range(rounds):
            for one, times in zip(scripts, spent, strict=True):
                times.append(one.cpu_an_order(kind, orders_a_call))
        least = [round(min(times), 1) for times in spent]
        against_us = least[1] if len(least) > 1 else None
        found.append(Together(kind, orders_a_call, least[0], against_us))
    return found


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
    bounds: dict[bytes, float]

    @property
    def free(self) -> int:
        return self.seats.count(b".")


class Scripts:
    """A folder of Lua scripts on a server; or those of the release before, which search from cursors and know
    neither scores nor bounds."""

    def __init__(self, client: "redis.Redis", lua: Path) -> None:
        self._client = client
        found = load_scripts(lua)
        self._script, self._release = found["hold"], found["release"]
        for script in (self._script, self._release):
            client.script_load(script.text)
        self._has_scores = "scores" in self._script.header
        self._keys = KEYS if self._has_scores else KEYS[:6]
        self._fresh = State(b"", {SENTINEL.encode(): b"1"}, {SENTINEL.encode(): -math.inf})

    def state(self, seats: int, percent: int, how: str) -> State:
        layout = self._layout(seats)
        sold = seats * percent // 100
        if how == "at random":
            taken = bytearray(layout)
            places = [at for at, byte in enumerate(layout) if byte == ord(".")]
            for at in random.Random(seats + percent).sample(places, sold):
                taken[at] = ord("s")
            state = msgspec.structs.replace(self._fresh, seats=bytes(taken))
            return self._ranked(state, seats) if self._has_scores else state
        self._put(msgspec.structs.replace(self._fresh, seats=layout))
        while (left := sold - self._held()) > 0:
            self._hold(min(FILL_BATCH_MAX, -(-left // PARTY)), PARTY, seats)
        return self._now()

    def _ranked(self, state: State, seats: int) -> State:
        """With the area ranked for all quantities, as in the middle of a sale: each is held and released."""
        self._put(state)
        for quantity in QUANTITIES:
            call = self._best([("", 1, len(self._layout(seats)), quantity)])
            order_id = call[3 + len(self._keys)]
            while self._client.evalsha(*call)[1][0] == b"later":
                pass
            self._client.evalsha(self._release.digest, len(self._keys), *self._keys, order_id)
        return self._now()

    def _now(self) -> State:
        meta: Any = self._client.hgetall(KEYS[1])
        ranked: Any = self._client.zrange(KEYS[7], 0, -1, withscores=True)
        return State(self._read(), meta, dict(ranked))

    def chunk(self, state: State, seats: int, quantity: int) -> float:
        """µs per call: the mean of one chunk in this state."""
        self._put(state)
        self._hold(1, quantity, seats)
        calls = max(1, min(CHUNK_MAX, state.free // (USED_MAX * quantity)))
        self._client.config_resetstat()
        self._hold(calls, quantity, seats)
        counted: Any = self._client.info("commandstats")
        return float(counted["cmdstat_evalsha"]["usec"]) / calls

    def choose(self, seats: bytes, scores: bytes, quantity: int) -> list[int]:
        """The best seats of a session that has just been loaded. Some are left."""
        self._put(msgspec.structs.replace(self._fresh, seats=seats), scores)
        call = self._best([("", 1, len(seats), quantity)])
        while (answer := self._client.evalsha(*call)[1])[0] == b"later":
            pass
        return [int(seat) for seat in answer[4 if self._has_scores else 2 :]]

    def _layout(self, seats: int) -> bytes:
        """Rows of twenty seats, an aisle, and twenty seats. A hundred seats: five rows of twenty."""
        row = b"." * 20 if seats == SIZES[0] else b"." * 20 + b"/" + b"." * 20
        return b"|".join([row] * (seats // row.count(b".")))

    def _put(self, state: State, scores: bytes | None = None) -> None:
        """As just loaded, except for the derived values of the area."""
        pipe = self._client.pipeline(transaction=False)
        pipe.unlink(*KEYS)
        pipe.set(KEYS[0], state.seats)
        known: Any = state.meta
        pipe.hset(KEYS[1], mapping=known)
        for key in KEYS[2:5]:
            pipe.hset(key, SENTINEL, "1")
        pipe.zadd(KEYS[5], {SENTINEL: "+inf"})
        pipe.set(KEYS[6], scores or scores_of_rows(layout_of(state.seats)))
        ranked: Any = state.bounds
        pipe.zadd(KEYS[7], ranked or {SENTINEL: "-inf"})
        pipe.execute()

    def _hold(self, calls: int, quantity: int, seats: int) -> None:
        pipe = self._client.pipeline(transaction=False)
        last = len(self._layout(seats))
        for _ in range(calls):
            pipe.evalsha(*self._best([("", 1, last, quantity)]))
        pipe.execute()

    def cpu_an_order(self, kind: str, orders_a_call: int) -> float:
        """µs of the server's main thread: SALE_ORDERS pairs of seats of an empty hall of SALE_SEATS."""
        layout = self._layout(SALE_SEATS)
        self._put(msgspec.structs.replace(self._fresh, seats=layout))
        self._hold(SALE_WARM, PARTY, SALE_SEATS)
        pairs = [at + 1 for at in range(0, len(layout), 2) if layout[at : at + 2] == b".."]
        orders = [(f"{uuid4()}:{'k' * 32}", 1, len(layout), PARTY) for _ in range(SALE_ORDERS)]
        pipes = []
        for start in range(0, SALE_ORDERS, PIPELINE_ORDERS):
            pipes.append(self._client.pipeline(transaction=False))
            for at in range(start, start + PIPELINE_ORDERS, orders_a_call):
                some = range(at, min(at + orders_a_call, start + PIPELINE_ORDERS))
                call = (
                    self._best([orders[n] for n in some])
                    if kind == "best"
                    else self._these([(orders[n][0], pairs[-n - 1]) for n in some])
                )
                pipes[-1].evalsha(*call)
        began = self._cpu_us()
        for pipe in pipes:
            pipe.execute()
        return (self._cpu_us() - began) / SALE_ORDERS

    def _best(self, orders: list[Any]) -> list[Any]:
        return self._call([(field, *self._wanted(*where)) for field, *where in orders])

    def _wanted(self, first: int, last: int, quantity: int) -> tuple[str, list[int]]:
        """Kind and numbers of an order of the best seats."""
        if self._has_scores:
            return "best", [quantity, 0, 0, first, last]
        return "seats", [first, last, quantity]

    def _these(self, orders: list[Any]) -> list[Any]:
        return self._call([(field, "exact", [seat, seat + 1]) for field, seat in orders])

    def _call(self, orders: list[Any]) -> list[Any]:
        """The arguments of EVALSHA."""
        args: list[Any] = [10_000]
        for field, kind, numbers in orders:
            args += [str(uuid4()), str(uuid4()), NO_CAP, field, kind, len(numbers), *numbers]
        return [self._script.digest, len(self._keys), *self._keys, *args]

    def _cpu_us(self) -> float:
        found: Any = self._client.info("cpu")
        seconds = found["used_cpu_user_main_thread"] + found["used_cpu_sys_main_thread"]
        return float(seconds) * 1e6

    def _held(self) -> int:
        return self._read().count(b"h")

    def _read(self) -> bytes:
        found: Any = self._client.get(KEYS[0])
        return bytes(found)


def print_holds(cells: Sequence[Cell], console: Console) -> None:
    table = Table(box=SIMPLE, title="a hold of the best seats: µs in the script, a call")
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


def print_together(together: Sequence[Together], console: Console) -> None:
    table = Table(box=SIMPLE, title="a hold of two seats: µs of Valkey's CPU, an order")
    for name in ("seats", *(f"{n} orders a call" for n in ORDERS_A_CALL)):
        table.add_column(name, justify="right")
    for kind in ("best", "exact"):
        some = [one for one in together if one.kind == kind]
        table.add_row(
            kind,
            *(
                f"{one.us:.1f}" + (f" ({one.against_us:.1f})" if one.against_us is not None else "")
                for one in some
            ),
        )
    console.print(table)


def _rows(cells: Sequence[Cell]) -> Iterator[tuple[tuple[int, str, int], list[Cell]]]:
    for seats, how, percent in product(SIZES, HOWS, SOLD_PERCENT):
        same = (seats, how, percent)
        yield same, [one for one in cells if (one.seats, one.how, one.sold_percent) == same]
