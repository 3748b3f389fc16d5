"""How good a rehearsal is: `python -m loadtest.rehearsal.beside SESSION_ID --people N`, on a demo.

Rehearses the session, and then sells it, for real, to a crowd with the same habits on the same machine. It
prints what the planner predicted, what was rehearsed and what came, as Markdown for docs/rehearsal.md. It
sells all seats: run it only where nobody else wants them.
"""

import argparse
import asyncio
import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import msgspec

from booking.providers.sandbox import store as sandbox
from booking.rehearsals import store as booking
from chassis import settings
from chassis.settings import Settings
from identity.administration import make_buyers
from loadtest.flash_sale import opens_in_s, run_crowd
from loadtest.plan import Plan
from loadtest.rehearsal import cleaning, target
from loadtest.rehearsal.asking import Asked, RehearsalError
from loadtest.rehearsal.command import GRACE_S, LOCUSTFILE, rehearse
from loadtest.rehearsal.findings import Findings, Stored, find
from loadtest.rehearsal.people import crowd
from loadtest.rehearsal.report import as_text
from loadtest.rehearsal.watching import watch
from runtime.operations.auditing import audit_all


def main() -> None:
    parser = argparse.ArgumentParser(description="A rehearsal, and the real sale after it.")
    parser.add_argument("session", type=UUID)
    parser.add_argument("--people", type=int, required=True)
    parser.add_argument("--curve", default="burst")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--data-dir", type=Path, default=Path(".stampede"))
    given = parser.parse_args()
    loaded = msgspec.structs.replace(
        settings.load(), port=given.port, data_dir=given.data_dir.absolute()
    )
    asked = Asked(people=given.people, curve=given.curve, seconds=given.seconds)
    try:
        command = shlex.join(["python", "-m", "loadtest.rehearsal.beside", *sys.argv[1:]])
        report = rehearse(loaded, given.session, asked, say=_say, command=command)
        print("\n".join(as_text(report)))
        load = os.getloadavg()[0]
        real = asyncio.run(_for_real(loaded, given.session, asked))
    except RehearsalError as wrong:
        raise SystemExit(str(wrong)) from None
    print(
        f"\nLoad {report.setting.load_before:.1f} before the rehearsal, {load:.1f} before the sale.\n"
    )
    print("\n".join(table(report.predicted_s, report.findings, real)))


async def _for_real(loaded: Settings, session_id: UUID, asked: Asked) -> Findings:
    found = await target.find_target(loaded, asked)
    curve, _ = asked.check()
    async with cleaning.opened(found.loaded) as stores:
        buyers = await make_buyers(found.loaded.direct_url, asked.people)
        session = await _session(found.gateway, session_id)
        areas = session["seat_areas"]
        free = [area["available"] for area in areas]
        most = session["max_tickets_per_user"]
        plan = Plan(
            base_url=found.gateway,
            session_id=session_id,
            area_id=UUID(areas[0]["area_id"]),
            tickets=sum(free),
            tickets_per_buyer_max=most,
            opens_at=time.time() + opens_in_s(asked.people),
            tokens=[token for _, token in buyers],
            people=crowd(asked, curve, free, per_person_max=most),
            areas=[UUID(area["area_id"]) for area in areas],
            show_id=UUID(session["show_id"]),
            tag="real",
            give_up_after_s=asked.seconds,
            from_loopback=found.on_loopback,
        )
        over = asyncio.Event()
        watching = asyncio.create_task(watch(found, plan.opens_at, over))
        answers = await run_crowd(
            found.loaded,
            plan,
            say=_say,
            locustfile=LOCUSTFILE,
            deadline_s=asked.seconds + 2 * GRACE_S,
        )
        over.set()
        seen = await watching
        sold = await booking.sold_figures(stores.booking, session_id)
        delays: list[float] = []
        async for orders in booking.order_pages(stores.booking, session_id):
            payments = await booking.payments_of(stores.booking, orders)
            delays += await sandbox.callback_delays(stores.sandbox, payments)
    broken = [one.name for one in await audit_all(found.loaded) if not one.ok]
    facts = msgspec.structs.asdict(sold)
    stored = Stored(seats=plan.tickets, audit=broken, callbacks=delays, **facts)
    return find(plan, answers, seen, stored)


async def _session(gateway: str, session_id: UUID) -> Any:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{gateway}/api/v1/sessions/{session_id}") as answer,
    ):
        return await answer.json()


def table(predicted_s: float | None, rehearsed: Findings, real: Findings) -> Iterator[str]:
    """Markdown."""
    yield "| | predicted | rehearsed | real sale |"
    yield "|---|---|---|---|"
    yield f"| cores of other programs | | {rehearsed.others_cores:.2f} | {real.others_cores:.2f} |"
    yield f"| sold out, s | {_s(predicted_s)} | {_s(rehearsed.sold_out_s)} | {_s(real.sold_out_s)} |"
    for before, after in zip(rehearsed.objectives, real.objectives, strict=True):
        yield f"| {before.name} ({before.limit}) | | {before.found} | {after.found} |"
    for name, share in (("waited, p50, s", "wait_p50_s"), ("waited, p99, s", "wait_p99_s")):
        yield f"| {name} | | {_s(getattr(rehearsed.people, share))} | {_s(getattr(real.people, share))} |"
    for name in ("tickets", "reserved", "sold_out", "shed", "limited"):
        before, after = getattr(rehearsed.people, name), getattr(real.people, name)
        yield f"| people: {name.replace('_', ' ')} | | {before:,} | {after:,} |"
    first, then = (found.limits[0].name if found.limits else "none" for found in (rehearsed, real))
    yield f"| first limit | | {first} | {then} |"
    yield (
        f"| generator, of a core at most | | {rehearsed.generator_most:.0%} | {real.generator_most:.0%} |"
    )


def _s(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _say(line: str) -> None:
    if not line.startswith("  "):
        print(line, flush=True)


if __name__ == "__main__":
    main()
