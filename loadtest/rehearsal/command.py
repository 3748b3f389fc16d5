"""The steps of a rehearsal. Whatever happens in between, everything that it made is removed."""

import asyncio
import contextlib
import getpass
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import psutil

from booking.providers.sandbox import store as sandbox
from booking.rehearsals import store as booking
from booking.rehearsals.store import Since
from catalog.rehearsals import store as catalog
from catalog.rehearsals.store import Shadow, Source
from chassis.observability import logs
from chassis.problems import Problem
from chassis.settings import Settings
from gateway.protection.limits import Bucket, Policies
from identity.administration import list_buyers, make_buyers
from loadtest.flash_sale import Say, allow_many_files, opens_in_s, run_crowd
from loadtest.plan import Plan
from loadtest.rehearsal import cleaning, target
from loadtest.rehearsal.asking import Asked, Curve, Fault, RehearsalError
from loadtest.rehearsal.cleaning import BUYERS, FOLDERS, Manifest, Stores
from loadtest.rehearsal.faults import Happened, happen
from loadtest.rehearsal.findings import Stored, find
from loadtest.rehearsal.people import crowd, source_of, token_faults
from loadtest.rehearsal.predicting import predicted
from loadtest.rehearsal.report import Report, Setting
from loadtest.rehearsal.target import Target
from loadtest.rehearsal.watching import Watch, watch
from runtime.operations.auditing import audit_all

GO, NO_GO, NOT_REHEARSED = 0, 1, 2
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
GRACE_S = 60.0  # beyond --seconds and the opening, for the crowd's last answers

Result = TypeVar("Result")
log = logs.get("rehearsal")


class Wanted(msgspec.Struct, frozen=True):
    """The question, checked. `command`: how it was asked."""

    session_id: UUID
    asked: Asked
    curve: Curve
    faults: Sequence[Fault]
    command: str


def rehearse(loaded: Settings, session_id: UUID, asked: Asked, *, say: Say, command: str) -> Report:
    """Blocks until it is over and everything is gone. Raises RehearsalError."""
    curve, faults = asked.check()
    wanted = Wanted(session_id, asked, curve, faults, command)
    allow_many_files()
    return _until_told_to_stop(_rehearse(loaded, wanted, say))


def clean(loaded: Settings, *, say: Say) -> int:
    """Removes what killed rehearsals left. Returns how many there were. Raises RehearsalError."""

    async def run() -> int:
        found = await target.find_target(loaded, Asked(people=1))
        async with _alone(found) as stores:
            return await _undisturbed(cleaning.clean_all(stores, say))

    return _until_told_to_stop(run())


def _until_told_to_stop(work: Coroutine[Any, Any, Result]) -> Result:
    """Ctrl-C, SIGTERM and SIGHUP cancel it, and it cleans up; the cleaning itself is not interrupted."""

    async def main() -> Result:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        told = False

        def stop() -> None:
            nonlocal told
            if not told:
                told = True
                task.cancel()

        if threading.current_thread() is threading.main_thread():  # no other may
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, stop)
        try:
            return await task
        except asyncio.CancelledError:
            raise RehearsalError("Stopped; everything that it had made is gone.") from None
        except Problem as away:
            raise RehearsalError(f"The platform does not answer ({away.code}).") from None

    return asyncio.run(main())


@contextlib.asynccontextmanager
async def _alone(found: Target) -> AsyncIterator[Stores]:
    async with (
        cleaning.opened(found.loaded) as stores,
        booking.alone(stores.booking) as first,
    ):
        if not first:
            raise RehearsalError("Another rehearsal runs on this platform: wait for its end.")
        yield stores


async def _rehearse(loaded: Settings, wanted: Wanted, say: Say) -> Report:
    asked, session_id = wanted.asked, wanted.session_id
    found = await target.find_target(loaded, asked)
    target.check_faults(found, wanted.faults)
    async with _alone(found) as stores:
        await _undisturbed(cleaning.clean_all(stores, say))
        source = target.check_source(
            await catalog.find_source(stores.catalog, session_id), session_id
        )
        await target.check_no_sale(stores.booking, asked)
        broken = await _audit(found)
        if broken:
            raise RehearsalError(f"The audit is broken already, before any rehearsal: {broken[0]}.")
        log.warning(
            "rehearsal_began", session=session_id, people=asked.people, by=getpass.getuser()
        )
        run = _Run(found, stores, wanted, say)
        try:
            report = await run.sell(source)
        finally:
            left_over = await _undisturbed(_gone(found, stores, run, say))
            log.warning("rehearsal_ended", session=session_id, left=len(left_over))
            logs.flush()
    go = report.findings.go and not left_over
    return msgspec.structs.replace(
        report, left_over=left_over, go=go, exit_code=GO if go else NO_GO
    )


async def _undisturbed(cleaning_up: Coroutine[Any, Any, Result]) -> Result:
    """To its end, whoever wants to stop meanwhile."""
    task = asyncio.ensure_future(cleaning_up)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError, Problem):
            await asyncio.shield(task)
    try:
        return task.result()
    except Problem as away:
        raise RehearsalError(
            f"Not everything could be removed ({away.code}): say `stampede rehearse --clean` when the"
            " platform is back."
        ) from None


async def _audit(found: Target) -> list[str]:
    return [
        f"{one.name}: {'; '.join(one.details)}"
        for one in await audit_all(found.loaded)
        if not one.ok
    ]


async def _gone(found: Target, stores: Stores, run: "_Run", say: Say) -> list[str]:
    """Removes everything, looks whether it is gone, and audits. What is wrong then, in sentences."""
    await cleaning.clean_all(stores, lambda _: None)
    await cleaning.remove_keys(stores, run.address_keys())
    left = []
    if await catalog.list_shadows(stores.catalog):
        left.append("a shadow of the session")
    if await list_buyers(found.loaded.direct_url, prefix=BUYERS):
        left.append("accounts of the crowd")
    say("Everything that the rehearsal made is removed." if not left else f"Left: {left}")
    return left + await _audit(found)


class _Run:
    """One crowd on one shadow."""

    def __init__(self, found: Target, stores: Stores, wanted: Wanted, say: Say) -> None:
        self._target, self._stores, self._say = found, stores, say
        self._asked, self._curve, self._faults = wanted.asked, wanted.curve, wanted.faults
        self._command = wanted.command

    def address_keys(self) -> list[str]:
        """What the gateway counts the crowd's addresses by, where they are made up."""
        if not self._target.on_loopback:
            return []
        policies = Policies(self._stores.loaded)
        return [
            Bucket.of(policy, source_of(number)).key
            for number in range(self._asked.people)
            for policy in (policies.ip, policies.refused)
        ]

    async def sell(self, source: Source) -> Report:
        asked, began = self._asked, datetime.now(UTC)
        load_before = psutil.getloadavg()[0]
        self._say(
            f"Making a shadow of {source.title} ({source.seats:,} seats) and {asked.people:,} people ..."
        )
        plan, shadow, since = await self._prepare(source, began)
        if not await target.knows(self._target.gateway, shadow.session_id):
            raise RehearsalError(
                f"The gateway at {self._target.gateway} does not serve this database: name the right one by"
                " --gateway or STAMPEDE_PORT."
            )
        answers, seen, happened = await self._crowd(plan)
        self._say("The crowd has gone; waiting for what is under way, then the audit ...")
        await cleaning.settle(self._stores, shadow.session_id, since)
        stored = await self._stored(shadow)
        findings = find(plan, answers, seen, stored)
        predicted_s, by = predicted(
            self._stores.loaded,
            asked,
            self._curve,
            seats=shadow.seats,
            web=seen.web,
            others=findings.others_cores,
        )
        setting = Setting(
            session_id=source.session_id, title=source.title, venue=source.venue, seats=shadow.seats,
            people=asked.people, curve=self._curve.text, seconds=asked.seconds, abandon=asked.abandon,
            late=asked.late, faults=list(asked.faults), gateway=self._target.gateway, web=seen.web,
            processors=seen.processors, load_before=load_before, began=f"{began:%Y-%m-%d %H:%M:%S} UTC",
            command=self._command,
        )  # fmt: skip
        return Report(
            setting=setting, findings=findings, happened=happened, predicted_s=predicted_s,
            predicted_by=by, left_over=[], exit_code=GO, go=findings.go,
        )  # fmt: skip

    async def _prepare(self, source: Source, began: datetime) -> tuple[Plan, Shadow, Since]:
        stores, asked = self._stores, self._asked
        loaded = stores.loaded
        position = await booking.last_position(stores.booking)
        by = f"{getpass.getuser()}, pid {os.getpid()}"
        manifest = Manifest(source.session_id, asked.people, began.isoformat(), by, position)
        buyers = await make_buyers(
            loaded.direct_url,
            asked.people,
            prefix=BUYERS,
            access_token_ttl_s=int(asked.seconds + GRACE_S) + loaded.access_token_ttl_s,
        )
        blocked = await booking.blocked_seats(stores.booking, source.session_id)
        shadow = await catalog.make_shadow(
            stores.catalog,
            source.session_id,
            opens_in_s=opens_in_s(asked.people),
            blocked=blocked,
            manifest=manifest.text(),
        )
        await booking.block_seats(stores.booking, shadow.session_id, blocked)
        people = crowd(
            asked,
            self._curve,
            [area.capacity for area in shadow.areas],
            per_person_max=source.max_tickets_per_user,
        )
        plan = Plan(
            base_url=self._target.gateway,
            session_id=shadow.session_id,
            area_id=shadow.areas[0].area_id,
            tickets=shadow.seats,
            tickets_per_buyer_max=source.max_tickets_per_user,
            opens_at=shadow.opens_at,
            tokens=[token for _, token in buyers],
            people=people,
            areas=[area.area_id for area in shadow.areas],
            faults=token_faults(self._faults, asked.seconds + GRACE_S),
            show_id=shadow.show_id,
            tag=f"rehearsal-{shadow.session_id.hex[:8]}",
            give_up_after_s=asked.seconds,
            from_loopback=self._target.on_loopback,
        )
        return plan, shadow, Since(began, position)

    async def _crowd(self, plan: Plan) -> tuple[Any, Watch, list[Happened]]:
        self._say(
            f"Request ids begin with {plan.tag}-: `stampede trace {plan.tag}-0` while it runs."
        )
        over = asyncio.Event()
        beside = [asyncio.create_task(watch(self._target, plan.opens_at, over))]
        faults = [
            asyncio.create_task(happen(self._target, one, plan.opens_at, over))
            for one in self._faults
            if one.kill
        ]
        try:
            answers = await run_crowd(
                self._stores.loaded,
                plan,
                say=self._say,
                locustfile=LOCUSTFILE,
                deadline_s=plan.opens_at - time.time() + self._asked.seconds + GRACE_S,
                folder_prefix=f"{FOLDERS}{os.getpid()}-",
            )
        except (TimeoutError, FileNotFoundError, msgspec.MsgspecError):
            raise RehearsalError("The load generator ended without a result.") from None
        finally:
            over.set()
            await asyncio.gather(*beside, *faults, return_exceptions=True)
        return answers, beside[0].result(), [one.result() for one in faults]

    async def _stored(self, shadow: Shadow) -> Stored:
        stores = self._stores
        sold = await booking.sold_figures(stores.booking, shadow.session_id)
        delays: list[float] = []
        async for orders in booking.order_pages(stores.booking, shadow.session_id):
            payments = await booking.payments_of(stores.booking, orders)
            delays += await sandbox.callback_delays(stores.sandbox, payments)
        return Stored(
            seats=shadow.seats,
            orders=sold.orders,
            paid=sold.paid,
            sold=sold.sold,
            held=sold.held,
            twice=sold.twice,
            audit=await _audit(self._target),
            callbacks=delays,
        )
