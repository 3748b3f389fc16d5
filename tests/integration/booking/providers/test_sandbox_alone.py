"""The sandbox as a server of its own: booking reaches it over HTTP, and it reaches booking."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from chassis.seam.client import ServiceClient
from runtime.embedded import ServerUrls
from runtime.services import migrate_all
from stampede.cli.main import main
from tests.support.booking import BookingApp, running_booking
from tests.support.platform import RunningPlatform, environment
from tests.support.sandbox import OLD
from tests.support.servers import free_port

PATH = "/api/v1/payments/webhooks/sandbox"
STEPS = 400  # of 25 ms: far more than it takes


@asynccontextmanager
async def over_http(port: int, app: BookingApp) -> AsyncIterator[None]:
    """The app's webhook route as a server."""
    client = ServiceClient(app.app)

    async def take(request: web.Request) -> web.Response:
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        headers = [(name.encode(), request.headers[name].encode()) for name in names]
        status, body = await client.exchange("POST", PATH, await request.read(), headers)
        return web.Response(status=status, body=body)

    server = web.Application()
    server.router.add_post(PATH, take)
    runner = web.AppRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield
    await runner.cleanup()


async def test_both_directions_over_http(
    servers: ServerUrls,
    run_database: Callable[[str], Awaitable[str]],
    database_url: str,
    redis_url: str,
    tmp_path: Path,
) -> None:
    port, ours = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    books = await run_database("sandbox_alone")
    await migrate_all(books, ["sandbox"])
    settings = {
        "STAMPEDE_DATABASE_URL": books,
        "STAMPEDE_REDIS_URL": servers.redis_url,
        "STAMPEDE_WEBHOOK_SECRET": OLD,
        "STAMPEDE_SANDBOX_URL": url,
        "STAMPEDE_SANDBOX_WEBHOOK_URL": f"http://127.0.0.1:{ours}{PATH}",
        "STAMPEDE_SANDBOX_DELAY_S": "0.05",
    }
    alone = RunningPlatform(url, tmp_path, environment(**settings))
    user = uuid4()
    try:
        alone.start("sandbox", "serve", "sandbox", "--workers", "1")
        async with running_booking(
            database_url, redis_url, webhook_secret=(OLD,), provider_options={"url": url}
        ) as app:
            order_ids = []
            for _ in range(2):
                order = (await app.order(user, app.neighbours.publish())).json
                order_ids.append(order["order_id"])
            await asyncio.to_thread(alone.wait_for_port, "sandbox", port)
            assert (await app.pay(user, order_ids[0])).status == 200
            assert (await app.pay(user, order_ids[1], "tok_async")).status == 202
            async with over_http(ours, app):
                for _ in range(STEPS):
                    read = await app.get(f"/orders/{order_ids[1]}", user=user)
                    if read.json["status"] == "paid":
                        break
                    await asyncio.sleep(0.025)
                assert read.json["status"] == "paid"
        async with aiohttp.ClientSession() as session, session.get(f"{url}/controls") as shown:
            assert (await shown.json())["delay_s"] == 0.05
    finally:
        await asyncio.to_thread(alone.stop)


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (("serve", "booking"), {"PAYMENT_PROVIDER": "nobody"}, "must be one of sandbox, stripe"),
        (("worker",), {"PAYMENT_PROVIDER": "stripe"}, "STAMPEDE_STRIPE_SECRET_KEY is required"),
        (("up",), {"SANDBOX_LOSS": "2"}, "STAMPEDE_SANDBOX_LOSS"),
        (("serve", "sandbox"), {"SANDBOX_DELY_S": "2"}, "STAMPEDE_SANDBOX_DELY_S is not a setting"),
    ],
)
def test_a_wrong_setting_of_a_provider_stops_the_start_by_name(
    arguments: tuple[str, ...],
    settings: dict[str, str],
    said: str,
    *,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"STAMPEDE_{name}", value)
    monkeypatch.setattr("sys.argv", ["stampede", *arguments, "--data-dir", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert said in capsys.readouterr().err
