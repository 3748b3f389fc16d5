"""The drill of docs/scale.md: a base backup and the archived log bring back any moment, and Redis with it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.embedded import running_urls
from tests.chaos.support import audit_is_clean, new_session, order_best
from tests.support.api import Api, Person
from tests.support.platform import RunningPlatform, all_in_one
from tests.support.restoring import Backups, now
from tests.support.servers import ROOT

PAY = {"payment_method": "alipay", "payment_token": "tok_ok"}
EACH = 4  # orders in each of the three parts of the sale

pytestmark = pytest.mark.timeout(300)


async def sell(api: Api, session: Any, buyer: Person) -> list[str]:
    """Paid orders, by id."""
    sold = []
    for _ in range(EACH):
        order = await order_best(api, session, buyer.token, 1)
        assert order.status == 201, order
        paid = await api.post(f"/orders/{order.json['order_id']}/pay", PAY, token=buyer.token)
        assert paid.status == 200, paid
        sold.append(order.json["order_id"])
    return sold


def stampede(platform: RunningPlatform, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stampede", *command, "--data-dir", str(platform.data_dir)],
        cwd=ROOT, env=platform.environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def database_of(platform: RunningPlatform) -> str:
    urls = running_urls(platform.data_dir)
    assert urls is not None
    return urls.database_url


async def states(api: Api, orders: list[str], buyer: Person) -> set[str]:
    answers = [await api.get(f"/orders/{order}", token=buyer.token) for order in orders]
    return {one.json["status"] if one.status == 200 else one.code for one in answers}


async def test_a_restore_to_a_time_has_every_order_before_it_and_none_after(scratch: Path) -> None:
    first, second = scratch / "drill", scratch / "restored"
    first.mkdir()
    second.mkdir()
    backups = Backups(first)
    await backups.begin()
    with all_in_one(first, "--no-demo") as platform:
        api = Api(platform.base_url)
        database_url = database_of(platform)
        session = await new_session(api, platform, max_tickets_per_user=4 * EACH)
        buyer = await api.register()
        before = await sell(api, session, buyer)
        backups.base(database_url)
        before += await sell(api, session, buyer)
        until = await now(database_url)
        after = await sell(api, session, buyer)
        await backups.archived(database_url)
        await api.close()
    backups.restore(second, until)
    with all_in_one(second, "--no-demo") as restored:
        api = Api(restored.base_url)
        assert session["session_id"] in stampede(restored, "rebuild", "--all")
        await audit_is_clean(restored)
        assert await states(api, before, buyer) == {"paid"}
        assert await states(api, after, buyer) == {"not-found"}
        again = await sell(api, session, buyer)
        assert len(again) == EACH
        await audit_is_clean(restored)
        await api.close()
