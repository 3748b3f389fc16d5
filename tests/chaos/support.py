"""What the chaos tests do over and over."""

import asyncio
import sys
import time
from typing import Any

import msgspec

from identity.administration import create_account
from runtime.embedded import running_urls
from tests.support.api import PASSWORD, Answer, Api, publish_session
from tests.support.platform import RunningPlatform
from tests.support.servers import ROOT

AUDIT_WITHIN_S = 15.0


async def new_session(api: Api, platform: RunningPlatform, **changes: Any) -> Any:
    """A published session of a new organizer."""
    urls = running_urls(platform.data_dir)
    assert urls is not None
    email = f"organizer-{time.monotonic_ns()}@example.com"
    await create_account(
        urls.database_url, email=email, password=PASSWORD, role="organizer", full_name="Organizer"
    )
    login = await api.post("/auth/login", {"email": email, "password": PASSWORD})
    assert login.status == 200, login
    return await publish_session(api, login.json["access_token"], **changes)


async def order_best(api: Api, session: Any, token: str, quantity: int, **how: Any) -> Answer:
    area = session["seat_areas"][0]["area_id"]
    body = {"session_id": session["session_id"], "seat_area_id": area, "quantity": quantity}
    return await api.post("/orders", body, token=token, **how)


async def audit_is_clean(platform: RunningPlatform) -> None:
    """`stampede audit` as an operator runs it; what heals by itself has a few seconds for it."""
    deadline = time.monotonic() + AUDIT_WITHIN_S
    while True:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stampede", "audit", "--json"),
            *("--data-dir", str(platform.data_dir)),
            cwd=ROOT,
            env=platform.environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode == 0:
            return
        assert time.monotonic() < deadline, (output.decode(), errors.decode())


def findings(output: bytes) -> Any:
    return msgspec.json.decode(output)
