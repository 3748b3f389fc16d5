"""`stampede bench --growth`: the cost of an order as sessions grow, fill up, and become many.

Each cell has few orders, so that a session stays as full as its row says. CPU is counted in nanoseconds
where the kernel does so. A hundred seats cannot be 99% sold and have two left: that cell is at 98%. Work
that a process does once per buyer or session (verifying a token, fetching a plan, loading seats into
Redis) is done before: sessions are read, and empty ones also get a few orders.
"""

import msgspec

from loadtest.bench.cases import venue
from loadtest.bench.cases.plain import BUYERS, ORDER
from loadtest.bench.generators.driver import drive
from loadtest.bench.generators.traffic import Call, Traffic
from loadtest.bench.measuring import quiet
from loadtest.bench.programs.programs import Stack

CONNECTIONS = 16
FILL_DEADLINE_S = 120.0
QUIET_MAX_S = 6.0  # for the worker's work from filling; its mails still go out beside the orders
MEASURED_BUYERS = 250  # each orders a few times a second at most, and is known by then
READS_A_SESSION = 4  # after these (almost) every process knows the session
WARM_UP_ORDERS = 200  # in total, where there is room; at least two per session
WARM_UP_SEATS_PERCENT = 5  # of a session
MANY_SEATS = 10_000
MANY_ORDERS = 1_500


class Shape(msgspec.Struct, frozen=True):
    """A cell: sessions of so many seats, filled by orders of `fill` seats each, and then `orders` orders
    of two seats in each session."""

    seats: int
    sessions: int
    sold_percent: int
    fill: int
    orders: int


class Cell(msgspec.Struct, frozen=True):
    seats: int
    sessions: int
    sold_percent: int
    orders: int
    cpu_us: dict[str, float]
    wrong: dict[str, int]

    @property
    def without_worker(self) -> float:
        return sum(self.cpu_us[kind] for kind in ("web", "postgres", "redis"))


SHAPES = (
    Shape(100, 60, 0, 1, 5),
    Shape(100, 100, 50, 10, 3),
    Shape(100, 250, 98, 14, 1),
    Shape(1_000, 20, 0, 1, 25),
    Shape(1_000, 20, 50, 10, 20),
    Shape(1_000, 60, 99, 10, 4),
    Shape(10_000, 4, 0, 1, 125),
    Shape(10_000, 4, 50, 20, 125),
    Shape(10_000, 8, 99, 20, 40),
    Shape(100_000, 1, 0, 1, 500),
    Shape(100_000, 1, 50, 20, 500),
    Shape(100_000, 1, 99, 20, 450),
)
MANY = tuple(
    Shape(MANY_SEATS, sessions, 0, 1, max(1, MANY_ORDERS // sessions))
    for sessions in (1, 10, 100, 1_000)
)


async def grow(stack: Stack, shape: Shape) -> Cell:
    """Creates, fills, warms up and measures one cell."""
    database_url = stack.loaded.database_url
    assert database_url is not None
    sales = await venue.make_sales(database_url, shape.sessions, seats=shape.seats)
    rows: list[tuple[str, ...]] = [(str(sale.session_id), str(sale.areas[0])) for sale in sales]
    fills = shape.seats * shape.sold_percent // 100 // shape.fill * shape.sessions
    if fills:
        filling = msgspec.structs.replace(ORDER, body=ORDER.body.replace(":2}", f":{shape.fill}}}"))
        await _send(stack, filling, rows, await venue.make_tokens(database_url, BUYERS), fills)
    tokens = await venue.make_tokens(database_url, MEASURED_BUYERS)
    await _load(stack, rows, tokens)
    if not fills:
        await _send(stack, ORDER, rows, tokens, warm_up_orders(shape))
    await quiet(stack, within_s=QUIET_MAX_S)
    count = shape.orders * shape.sessions
    before = stack.accounts.look()
    wrong = await _send(stack, ORDER, rows, tokens, count)
    spent = stack.accounts.look().since(before)
    cpu_us = {kind: round(seconds / count * 1e6, 1) for kind, seconds in spent.items()}
    return Cell(shape.seats, shape.sessions, shape.sold_percent, count, cpu_us, wrong)


def warm_up_orders(shape: Shape) -> int:
    """Orders of two seats, before the cell of empty sessions, which stay nearly empty."""
    wanted = max(2, WARM_UP_ORDERS // shape.sessions)
    return shape.sessions * min(wanted, max(2, shape.seats * WARM_UP_SEATS_PERCENT // 200))


async def _send(
    stack: Stack, call: Call, rows: list[tuple[str, ...]], tokens: list[str], count: int
) -> dict[str, int]:
    traffic = Traffic(base_url=stack.base_url, calls=[call], rows=rows, tokens=tokens)
    run = await drive(traffic, seconds=FILL_DEADLINE_S, connections=CONNECTIONS, count=count)
    return run.heard.wrong


async def _load(stack: Stack, rows: list[tuple[str, ...]], tokens: list[str]) -> None:
    """Reads each session's live state with each buyer's token. Then every process knows buyers and
    sessions, and Redis has the seats, before anything is counted."""
    call = Call(
        name="seats",
        path="/api/v1/sessions/$1/seats",
        expects={200: '"seats":"'},
        with_token=True,
    )
    await _send(stack, call, rows, tokens, READS_A_SESSION * max(len(rows), len(tokens)))
