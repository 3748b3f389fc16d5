"""The provider that docs/payments.md shows is real: written to a file, it is a provider."""

import re
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from aiohttp import web

from booking import providers
from booking.domain.problems import BadSignature
from booking.providers.protocol import ChargeResult, Purchase, RefundResult
from booking.providers.registry import check_settings, open_provider
from booking.providers.signatures import sign
from chassis.problems import Unavailable
from chassis.settings import Settings, SettingsError, load
from tests.support.sandbox import OLD, new_charge
from tests.support.servers import ROOT

NOW = "2026-08-15T11:30:00Z"


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`booking/providers/acme.py`, as the page has it."""
    page = (ROOT / "docs" / "payments.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "acme.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "booking.providers.acme", raising=False)
    yield
    monkeypatch.delitem(sys.modules, "booking.providers.acme", raising=False)


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """Acme: PUT makes a thing once, GET shows it, or one page after the other of its kind."""
    things: dict[str, Any] = {}

    async def handle(request: web.Request) -> web.Response:
        assert request.headers["authorization"] == "Bearer k"
        if request.method == "PUT":
            body = await request.json()
            state = "paid" if "token" in body else "succeeded"
            made = {"id": request.match_info["id"], "state": state, "created_at": NOW} | body
            things.setdefault(request.path, made)
        if request.path not in things:
            raise web.HTTPNotFound
        return web.json_response(things[request.path])

    async def list_all(request: web.Request) -> web.Response:
        kind, after = request.match_info["kind"], int(request.query.get("after", 0))
        found = [one for path, one in things.items() if path.startswith(f"/{kind}/")]
        more = f"/{kind}?after={after + 1}" if after + 1 < len(found) else None
        return web.json_response({kind: found[after : after + 1], "next": more})

    app = web.Application()
    app.router.add_route("*", "/{kind}/{id}", handle)
    app.router.add_get("/{kind}", list_all)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.usefixtures("acme")
async def test_the_example_of_the_page_is_a_provider(server: str) -> None:
    environ = {"PAYMENT_PROVIDER": "acme", "ACME_URL": server, "ACME_KEY": "k"}
    environ["ACME_WEBHOOK_SECRETS"] = OLD
    settings = load({f"STAMPEDE_{name}": value for name, value in environ.items()})
    check_settings(settings)
    wiring: Any = SimpleNamespace(settings=settings)
    pool: Any = None
    charge = new_charge()
    taken = ChargeResult(state="succeeded", amount=1_000, currency="CNY")
    async with open_provider(wiring, pool) as provider:
        assert await provider.look_up(charge.payment_id) is None
        assert await provider.charge(charge) == taken
        assert await provider.look_up(charge.payment_id) == taken
        back = await provider.refund(
            refund_id=UUID(int=9), payment_id=charge.payment_id, amount=1, currency="CNY"
        )
        assert back == RefundResult(state="succeeded")
        assert await provider.look_up_refund(uuid4()) is None
        bought = Purchase(order_no="1", user_id=uuid4(), session_id=uuid4(), seats=[3, 4])
        second = msgspec.structs.replace(new_charge(), purchase=bought)
        await provider.charge(second)
        span = (datetime.now(UTC), datetime.now(UTC))
        pages = [page async for page in provider.list_charges(*span)]
        assert [[one.payment_id for one in page] for page in pages] == [
            [charge.payment_id], [second.payment_id],
        ]  # fmt: skip
        assert (pages[1][0].order_id, pages[1][0].purchase) == (second.order_id, bought)
        ((listed,),) = [page async for page in provider.list_refunds(*span)]
        assert (listed.refund_id, listed.payment_id, listed.amount) == (
            UUID(int=9), charge.payment_id, 1,
        )  # fmt: skip
        payment = {"id": charge.payment_id, "amount": 1_000, "currency": "CNY", "state": "paid"}
        body, at = msgspec.json.encode({"type": "payment", "payment": payment}), int(time.time())
        headers = {"webhook-id": "m1", "webhook-timestamp": str(at)}
        with pytest.raises(BadSignature):
            provider.read_webhook(headers | {"webhook-signature": "v1,"}, body)
        headers["webhook-signature"] = sign(OLD, "m1", at, body)
        told = provider.read_webhook(headers, body)
        assert (told.event_id, told.payment_id, told.verdict) == ("m1", charge.payment_id, taken)
    nobody: Any = SimpleNamespace(
        settings=msgspec.structs.replace(
            settings, provider_options=settings.provider_options | {"url": "http://127.0.0.1:9"}
        )
    )
    async with open_provider(nobody, pool) as provider:
        with pytest.raises(Unavailable):
            await provider.charge(charge)


@pytest.mark.usefixtures("acme")
def test_an_unknown_provider_is_told_which_there_are() -> None:
    with pytest.raises(SettingsError, match="must be one of acme, sandbox, stripe"):
        check_settings(Settings(payment_provider="protocol"))
    with pytest.raises(SettingsError, match="STAMPEDE_ACME_KEY is required"):
        check_settings(Settings(payment_provider="acme", provider_options={"url": "x"}))
    for hostile in ("registry", "../x", "sandbox.app", "", "os"):
        with pytest.raises(SettingsError, match="must be one of"):
            check_settings(Settings(payment_provider=hostile))
