"""`stampede trace` over a platform's own logs: an order from its request to its refund."""

import asyncio
import time
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from stampede.cli.main import stampede
from tests.e2e.test_buyer import eventually, order_two
from tests.support.api import Api
from tests.support.platform import RunningPlatform

LATER_S = 20.0  # the worker may have been started this moment


async def trace(platform: RunningPlatform, *arguments: str) -> Result:
    """The command, in a thread: it has an event loop of its own."""
    words = ["trace", *arguments, "--data-dir", str(platform.data_dir)]
    return await asyncio.to_thread(CliRunner().invoke, stampede, words, env=platform.environ)


async def test_an_order_is_followed_from_its_request_to_its_refund(
    api: Api, session: Any, platform: RunningPlatform, tmp_path: Path
) -> None:
    buyer = await api.register()
    request_id = f"trace-{time.time_ns()}"
    order = await order_two(api, buyer, session, headers={"X-Request-ID": request_id})
    order_id = order["order_id"]
    body = {"payment_method": "alipay", "payment_token": "tok_async"}
    assert (await api.post(f"/orders/{order_id}/pay", body, token=buyer.token)).status == 202

    def logged() -> str:
        texts = [one.read_text(errors="replace") for one in platform.data_dir.glob("logs/*.log")]
        return "\n".join(line for line in "\n".join(texts).splitlines() if order_id in line)

    async def paid() -> bool:
        return "webhook_taken" in logged() and logged().count("email_sent") >= 2

    await eventually(paid, within_s=LATER_S)
    refund = await api.post(f"/orders/{order_id}/refund", {"reason": "ill"}, token=buyer.token)
    assert refund.status == 202, refund

    async def asked() -> bool:
        return "refund_requested" in logged()

    await eventually(asked, within_s=LATER_S)
    page = tmp_path / "page.html"
    by_request = await trace(platform, request_id)
    by_number = await trace(platform, "--order", order["order_no"], "--html", str(page))
    told = [one.split(" user=")[0] for one in by_request.output.splitlines()]
    steps = ["order_created", "payment_processing", "order_paid", "refund_requested"]
    places = [next(n for n, line in enumerate(told) if f" {step}" in line) for step in steps]
    assert places == sorted(places), by_request.output
    assert "webhook_taken" in by_request.output
    assert by_request.output.count("email_sent") >= 2
    assert "its clock" not in by_request.output
    assert (by_number.exit_code, by_number.output) == (0, f"{page}\n")
    assert all(step in page.read_text("utf-8") for step in steps)
