"""Apps for comparison: the least work with the same server and the same framework."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from litestar import Litestar, post
from litestar.params import RawBody

from booking.orders.wire import CreateOrder, OrderAnswer
from chassis.http.bodies import decode
from chassis.seam.upstream import Receive, Scope, Send
from contracts.booking import OrderItem

ECHO_PATH = "/api/v1/orders"
BARE_PATH = "/bare"
NOBODY = UUID(int=0)
A_TIME = datetime(2026, 1, 1, tzinfo=UTC)

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def bare_asgi() -> App:
    """An empty ASGI app: 200 and two bytes."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}", "more_body": False})

    return app


@post(ECHO_PATH, status_code=201)
async def echo(body: RawBody) -> OrderAnswer:
    """The order's own structs in and out, and nothing in between."""
    wanted = decode(CreateOrder, body)
    area = wanted.seat_area_id or NOBODY
    items = [
        OrderItem(seat_id=n, area_id=area, area="A", row="1", number=n, price=128_000)
        for n in range(1, (wanted.quantity or 0) + 1)
    ]
    return OrderAnswer(
        order_id=NOBODY,
        order_no="260101000000001",
        session_id=wanted.session_id,
        status="pending_payment",
        title="Flash sale",
        venue="Load hall",
        starts_at=A_TIME,
        time_zone="Asia/Shanghai",
        items=items,
        total_amount=256_000,
        currency="CNY",
        created_at=A_TIME,
        expires_at=A_TIME,
    )


def bare_echo() -> App:
    """An empty Litestar POST of an order."""
    app: Any = Litestar(route_handlers=[echo], logging_config=None, openapi_config=None)
    served: App = app
    return served
