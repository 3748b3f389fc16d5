"""A bought ticket reaches its consumers: over the memory broker in one process, over NATS apart."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from typing import Any

import nats

from tests.e2e.test_buyer import PAY, eventually, order_two
from tests.support.api import Api
from tests.support.platform import RunningPlatform
from tests.support.servers import ROOT, free_port


async def test_a_bought_ticket_yields_mails_and_availability(
    platform: RunningPlatform, api: Api, session: Any
) -> None:
    email = f"events-{time.time_ns()}@example.com"
    buyer = await api.register(email=email)
    area = session["seat_areas"][0]
    before = area["available"]
    order = await order_two(api, buyer, session, headers={"X-Request-ID": "events-1"})
    paid = await api.post(f"/orders/{order['order_id']}/pay", PAY, token=buyer.token)
    assert paid.status == 200, paid

    async def mails() -> bool:
        answer = await api.get(f"/dev/mailbox.json?to={email}")
        return answer.status == 200 and len(answer.json["mails"]) == 2

    async def moved() -> bool:
        found = await api.get(f"/sessions/{session['session_id']}")
        return bool(found.json["seat_areas"][0]["available"] == before - 2)

    await eventually(moved)
    await eventually(mails)


async def test_over_nats_the_stream_holds_nothing_once_all_have_it(
    apart: RunningPlatform,
) -> None:
    client = await nats.connect(apart.environ["STAMPEDE_NATS_URL"])
    context = client.jetstream()
    try:

        async def drained() -> bool:
            found = await context.stream_info("STAMPEDE_EVENTS")
            names = {one.name for one in await context.consumers_info("STAMPEDE_EVENTS")}
            return found.state.messages == 0 and names == {"catalog", "notification"}

        await eventually(drained)
        assert (await context.stream_info("STAMPEDE_EVENTS")).state.last_seq > 0
    finally:
        await client.close()


def test_readiness_shows_nats(apart: RunningPlatform) -> None:
    with urllib.request.urlopen(f"{apart.environ['STAMPEDE_BOOKING_URL']}/readyz") as answer:
        shown = json.load(answer)["dependencies"]
    assert shown == {"postgresql": True, "redis": True, "nats": True}


def test_a_broker_that_is_not_there_refuses_the_start_in_one_sentence(
    together: RunningPlatform,
) -> None:
    url = f"nats://operator:secret@127.0.0.1:{free_port()}"
    environ = together.environ | {"STAMPEDE_NATS_URL": url}
    done = subprocess.run(
        [sys.executable, "-m", "stampede", "worker"],
        cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("stampede: NATS at nats://127.0.0.1:")
    assert "STAMPEDE_NATS_URL" in sentence
    assert "secret" not in sentence


async def test_replay_on_the_running_platform_changes_nothing(
    platform: RunningPlatform, api: Api, session: Any
) -> None:
    buyer = await api.register()
    await order_two(api, buyer, session)
    area = session["seat_areas"][0]

    async def available() -> int:
        found = await api.get(f"/sessions/{session['session_id']}")
        number: int = found.json["seat_areas"][0]["available"]
        return number

    async def moved() -> bool:
        return await available() == area["available"] - 2

    await eventually(moved)
    since = time.strftime("%FT%TZ", time.gmtime(time.time() - 3600))
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "stampede", "replay", "--from", since, "--consumer", "catalog"],
        cwd=ROOT, env=platform.environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.split()[1]) > 0
    assert await available() == area["available"] - 2
