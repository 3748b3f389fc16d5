"""The plain cases: the traffic of each, prepared in bulk, and which answers count.

All traffic is like real clients': each has a request id, an address and a token of its own, and an
idempotency key on every POST that creates or pays. Buyers take turns, often enough that their tokens are
cached, like those of people who browsed before. `create_order_strangers` is the case without that.
"""

import asyncio

import aiohttp
import msgspec

from booking.seats.buyers import IN_FLIGHT_MAX_S
from loadtest.bench.case import Case
from loadtest.bench.cases import venue
from loadtest.bench.cases.callbacks import callbacks
from loadtest.bench.generators.traffic import Call, Traffic
from loadtest.bench.programs.bare_apps import BARE_PATH, ECHO_PATH
from loadtest.bench.programs.programs import Stack

# at 3,000 orders a second, each orders every third of a second: cached, and within limits
BUYERS = 1_000
CROWD = 4_000  # for refusals: each stays below its limit of 10/s at 40,000 requests a second
STRANGERS_PER_S = 3_000  # each orders only once, unless orders are faster than this
SEATS = 200_000  # the maximum of a session
AREAS = 10
ORDERS_PER_S_MAX = 5_000  # orders of two to make room for
SMALL_SALE = 100
LIMITED_ADDRESSES = 8  # each gets 10 answers a second; its other requests are refused
ACCOUNTS = 20
SEAT_MAP_SEATS = 100_000


ORDER = Call(
    name="order",
    method="POST",
    path="/api/v1/orders",
    body='{"session_id":"$1","seat_area_id":"$2","quantity":2}',
    expects={201: '"status":"pending_payment"'},
    with_token=True,
    with_key=True,
    orders=True,
)
EXACT = msgspec.structs.replace(ORDER, body='{"session_id":"$1","seats":[$2,$3]}')
PAY = Call(
    name="pay",
    method="POST",
    path="/api/v1/orders/$order/pay",
    body='{"payment_method":"alipay","payment_token":"tok_ok"}',
    expects={200: '"status":"paid"'},
    with_token=True,
    with_key=True,
)
SHOWS = Call(name="shows", path="/api/v1/shows?page_size=20", expects={200: '"shows":['})


async def bare_asgi(stack: Stack, _: float) -> Traffic:
    call = Call(name="get", path=BARE_PATH, expects={200: ""})
    return Traffic(base_url=stack.base_url, calls=[call])


async def bare_echo(stack: Stack, _: float) -> Traffic:
    """With the order's headers too, since reading them is part of the work."""
    call = msgspec.structs.replace(ORDER, path=ECHO_PATH, orders=False)
    row = ("019aa5ac-7000-7000-8000-000000000000", "019aa5ac-7000-7000-8000-000000000001")
    tokens = ["x" * 450]  # as long as a real token
    return Traffic(base_url=stack.base_url, calls=[call], rows=[row], tokens=tokens)


async def create_order(stack: Stack, seconds: float) -> Traffic:
    sales = await venue.make_sales(_database(stack), _sessions(seconds), seats=SEATS, areas=AREAS)
    return await _ordering(stack, [ORDER], sales)


async def create_order_strangers(stack: Stack, seconds: float) -> Traffic:
    """Like create_order, but with new buyers only: no process has cached a token or account."""
    sales = await venue.make_sales(_database(stack), _sessions(seconds), seats=SEATS, areas=AREAS)
    return await _ordering(stack, [ORDER], sales, int(seconds * STRANGERS_PER_S))


async def create_order_standing(stack: Stack, seconds: float) -> Traffic:
    sales = await venue.make_sales(
        _database(stack), _sessions(seconds), seats=SEATS, areas=AREAS, kind="standing"
    )
    return await _ordering(stack, [ORDER], sales)


async def create_order_exact(stack: Stack, seconds: float) -> Traffic:
    sales = await venue.make_sales(_database(stack), _sessions(seconds), seats=SEATS)
    traffic = await _ordering(stack, [EXACT], sales)
    pairs = venue.pairs_of(SEATS)
    traffic.rows = [
        (str(sale.session_id), str(left), str(right)) for sale in sales for left, right in pairs
    ]
    return traffic


async def purchase(stack: Stack, seconds: float) -> Traffic:
    sales = await venue.make_sales(_database(stack), _sessions(seconds), seats=SEATS, areas=AREAS)
    return await _ordering(stack, [ORDER, PAY], sales)


async def refusal_sold_out(stack: Stack, _: float) -> Traffic:
    """Every order comes too late: all hundred seats are held, by a sale that was loaded long ago."""
    sales = await venue.make_sales(_database(stack), 1, seats=SMALL_SALE)
    late = msgspec.structs.replace(ORDER, expects={409: '"code":"sold-out"'}, orders=False)
    traffic = await _ordering(stack, [late], sales, CROWD + 1)
    await _take(stack, sales[0], traffic.tokens.pop(), SMALL_SALE)
    await asyncio.sleep(IN_FLIGHT_MAX_S)
    return traffic


async def refusal_rate_limited(stack: Stack, seconds: float) -> Traffic:
    """Few addresses order far above their limit, so nearly all requests are refused."""
    sales = await venue.make_sales(_database(stack), 1, seats=SEATS, areas=AREAS)
    expects = {429: '"code":"rate-limited"', 201: '"status":"pending_payment"'}
    flood = msgspec.structs.replace(ORDER, expects=expects, orders=False)
    traffic = await _ordering(stack, [flood], sales)
    traffic.addresses = LIMITED_ADDRESSES
    return traffic


async def browse(stack: Stack, _: float) -> Traffic:
    """The show list, a session, and both again from clients that have the answer."""
    sale = (await venue.make_sales(_database(stack), 1, seats=10_000, areas=AREAS))[0]
    session = Call(
        name="session",
        path=f"/api/v1/sessions/{sale.session_id}",
        expects={200: '"seat_areas":['},
    )
    calls = [SHOWS, session, await _again(stack, SHOWS), await _again(stack, session)]
    return Traffic(base_url=stack.base_url, calls=calls)


async def seat_map(stack: Stack, _: float) -> Traffic:
    """The live state of 100,000 seats; every second request is from a client that has the answer."""
    sale = (await venue.make_sales(_database(stack), 1, seats=SEAT_MAP_SEATS, areas=AREAS))[0]
    path = f"/api/v1/sessions/{sale.session_id}/seats"
    seats = Call(name="seats", path=path, expects={200: '"seats":"'})
    return Traffic(base_url=stack.base_url, calls=[seats, await _again(stack, seats)])


async def login(stack: Stack, _: float) -> Traffic:
    """Right passwords, more than can be hashed. The rest is refused at once."""
    accounts = await venue.make_accounts(_database(stack), ACCOUNTS)
    call = Call(
        name="login",
        method="POST",
        path="/api/v1/auth/login",
        body='{"email":"$1","password":"$2"}',
        expects={200: '"access_token":"', 429: '"code":"', 503: '"code":"overloaded"'},
    )
    return Traffic(base_url=stack.base_url, calls=[call], rows=list(accounts))


async def mixed(stack: Stack, seconds: float) -> Traffic:
    """90% browse, 8% create, 2% pay."""
    sales = await venue.make_sales(_database(stack), _sessions(seconds), seats=SEATS, areas=AREAS)
    session = Call(name="session", path="/api/v1/sessions/$1", expects={200: '"seat_areas":['})
    plain = msgspec.structs.replace(session, path=f"/api/v1/sessions/{sales[0].session_id}")
    parts = [(SHOWS, 30), (session, 30), (await _again(stack, SHOWS), 15)]
    parts += [(await _again(stack, plain), 15), (ORDER, 8), (PAY, 2)]
    calls = [msgspec.structs.replace(call, weight=weight) for call, weight in parts]
    return await _ordering(stack, calls, sales)


async def _ordering(
    stack: Stack, calls: list[Call], sales: list[venue.Sale], buyers: int = BUYERS
) -> Traffic:
    return Traffic(
        base_url=stack.base_url,
        calls=calls,
        rows=[(str(sale.session_id), str(area)) for sale in sales for area in sale.areas],
        tokens=await venue.make_tokens(_database(stack), buyers),
    )


async def _take(stack: Stack, sale: venue.Sale, token: str, seats: int) -> None:
    """One buyer takes all seats, twenty per order."""
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "10.255.255.1"}
    body = {"session_id": str(sale.session_id), "seat_area_id": str(sale.areas[0]), "quantity": 20}
    async with aiohttp.ClientSession(stack.base_url, headers=headers) as http:
        for _ in range(seats // 20):
            async with http.post("/api/v1/orders", json=body) as answer:
                answer.raise_for_status()


async def _again(stack: Stack, call: Call) -> Call:
    """The same call from a client that has the answer: 304, or a new answer if it changed."""
    headers = {"X-Forwarded-For": "10.255.255.2"}
    async with (
        aiohttp.ClientSession(stack.base_url, headers=headers) as http,
        http.get(call.path) as answer,
    ):
        answer.raise_for_status()
        etag = answer.headers["ETag"]
    return msgspec.structs.replace(
        call,
        name=f"{call.name}, known",
        headers={"If-None-Match": etag},
        expects={304: "", **call.expects},
    )


def _sessions(seconds: float) -> int:
    """Enough sessions of SEATS seats that none sells out."""
    return max(1, -(-int(seconds * ORDERS_PER_S_MAX * 2) // SEATS))


def _database(stack: Stack) -> str:
    assert stack.loaded.database_url is not None, "the platform runs, so its servers do"
    return stack.loaded.database_url


HELD = "held durably: orders of two seats, answered 201"
CASES = {
    case.name: case
    for case in (
        Case("bare_asgi", "bare_asgi", bare_asgi, "answers of an empty ASGI app"),
        Case("bare_echo", "bare_echo", bare_echo, "answers of an empty Litestar POST"),
        Case("create_order", "platform", create_order, HELD, writes=True),
        Case("create_order_strangers", "platform", create_order_strangers, HELD, writes=True),
        Case("create_order_exact", "platform", create_order_exact, HELD, writes=True),
        Case("create_order_standing", "platform", create_order_standing, HELD, writes=True),
        Case(
            "purchase", "platform", purchase, "paid and ticketed: orders of two seats, answered 200",
            (("pay", "200"),), writes=True,
        ),
        Case("callbacks", "platform", callbacks, "callbacks of a provider, each of five copies", writes=True),
        Case("refusal_sold_out", "platform", refusal_sold_out, "refusals, 409 sold-out"),
        Case(
            "refusal_rate_limited", "platform", refusal_rate_limited, "refusals, 429 rate-limited",
            (("order", "429"),), writes=True,
        ),
        Case("browse", "platform", browse, "answers, 200 and 304"),
        Case("seat_map", "platform", seat_map, "answers, 200 of 100,000 seats and 304 in turn"),
        Case("login", "platform", login, "logins, 200", (("login", "200"),)),
        Case("mixed", "platform", mixed, "answers of all kinds", writes=True),
        Case("create_order_http", "services apart", create_order, HELD, writes=True),
    )
}  # fmt: skip
