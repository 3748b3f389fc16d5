"""Where a delivery never goes: to addresses of ours, after a redirect, through a proxy, past TLS."""

import os

import pytest
from aiohttp import web
from yarl import URL

from notification.webhooks import connecting, posting
from notification.webhooks.connecting import Destinations
from tests.support.servers import free_port
from tests.support.webhooks import (
    Receiver,
    Webhooks,
    look_up,
    paid,
    receiving,
    self_signed,
)


async def test_redirects_are_not_followed(service: Webhooks, receiver: Receiver) -> None:
    await service.subscribe(receiver.url)
    target = receiver.url.replace("/hook", "/elsewhere")
    receiver.answer = lambda message: web.Response(status=307, headers={"Location": target})
    await service.deliver(paid(service.catalog.session()))
    await service.round()
    assert [message.path for message in receiver.messages] == ["/hook"]


async def test_the_proxies_of_the_environment_are_not_used(
    service: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setitem(os.environ, name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    await service.subscribe(receiver.url)
    await service.deliver(paid(service.catalog.session()))
    await service.round()
    assert len(receiver.messages) == 1


async def test_a_delivery_is_refused_where_a_subscription_would_be(
    service: Webhooks, receiver: Receiver
) -> None:
    """Whatever is in the table: the address, the scheme and the port are judged at every attempt."""
    endpoint = await service.subscribe(receiver.url)
    await service.deliver(paid(service.catalog.session()))
    assert await service.round(allow_private=False) == 1
    assert receiver.messages == []
    (delivery,) = await service.deliveries(endpoint)
    assert delivery["last_error"] == "the URL must begin with https://"


async def test_a_name_that_changes_its_meaning_gains_nothing(
    service: Webhooks, receiver: Receiver
) -> None:
    """DNS rebinding: an open address when its owner subscribes, one of ours when it is called."""
    ports = {receiver.port}
    endpoint = await service.subscribe(receiver.url)
    url = f"https://rebound.example.org:{receiver.port}/hook"
    look = look_up(["93.184.216.34"], ["127.0.0.1"])
    await Destinations(look, allow_private=False, ports=ports).check(url)
    await service.pool.execute("UPDATE webhook_endpoints SET url = $1", url)
    await service.deliver(paid(service.catalog.session()))
    assert await service.round(look=look, allow_private=False, ports=ports) == 1
    assert receiver.connections == 0
    (delivery,) = await service.deliveries(endpoint)
    assert delivery["last_error"] == "the host has a private or reserved address"


async def test_the_socket_is_the_last_gate_for_whatever_was_never_a_name(
    service: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URL's check taken out: a literal address goes past every resolver, and not past this."""
    monkeypatch.setattr(posting, "check_url", lambda text, **_: URL(text))
    endpoint = await service.subscribe(receiver.url)
    await service.deliver(paid(service.catalog.session()))
    assert await service.round(allow_private=False) == 1
    assert receiver.connections == 0
    (delivery,) = await service.deliveries(endpoint)
    assert delivery["last_error"] == "the host has a private or reserved address"


async def test_control_without_the_gates_the_request_would_arrive(
    service: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this one fails, the two above prove nothing."""
    monkeypatch.setattr(posting, "check_url", lambda text, **_: URL(text))
    monkeypatch.setattr(connecting, "is_open", lambda address: True)
    await service.subscribe(receiver.url)
    await service.pool.execute(
        "UPDATE webhook_endpoints SET url = $1", f"http://rebound.example.org:{receiver.port}/hook"
    )
    await service.deliver(paid(service.catalog.session()))
    await service.round(look=look_up(["127.0.0.1"]), allow_private=False)
    assert len(receiver.messages) == 1


async def test_a_certificate_that_nobody_vouches_for_is_refused(service: Webhooks) -> None:
    async with receiving(self_signed("hooks.example.org")) as receiver:
        endpoint = await service.subscribe(receiver.url)
        await service.deliver(paid(service.catalog.session()))
        await service.round()
        assert receiver.messages == []
    (delivery,) = await service.deliveries(endpoint)
    assert delivery["last_error"] == "TLS failed"
