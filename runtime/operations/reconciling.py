"""`stampede reconcile`: what a failover has lost, against what survived elsewhere."""

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from booking.recovery.findings import Finding
from booking.recovery.reconciling import reconcile
from booking.recovery.store import AnotherReconcile
from booking.seats.store import database_now
from chassis.context import CURRENT, RequestContext, new_request_id
from chassis.problems import Problem
from chassis.seam.client import UpstreamRefused
from chassis.settings import Settings
from chassis.wiring import Wiring
from runtime.compose import compose

# Asked through the seam; each runs in this process unless its URL is set.
NEEDED = ("identity", "catalog", "notification")

Say = Callable[[str], None]


class ReconcileError(Exception):
    """It cannot be done. One sentence says why."""


class Reconciled(msgspec.Struct):
    """How many findings there were, and how many are left for a person or another run."""

    findings: int = 0
    left: int = 0


async def reconcile_all(
    loaded: Settings, since: datetime | timedelta, *, apply: bool, tell: Callable[[Finding], None]
) -> Reconciled:
    """`since`: a time, or a span before now by PostgreSQL's clock. Tells each finding as it is found.

    Raises ReconcileError. What was done until then stays done, and another run goes on from there.
    """
    CURRENT.set(RequestContext(new_request_id()))
    local = [name for name in NEEDED if getattr(loaded, f"{name}_url") is None]
    platform = compose(loaded, local)
    begin = await _begin(platform.wiring, since)
    done = Reconciled()
    interrupted: ReconcileError | None = None
    async with platform.running():
        found = reconcile(platform.wiring, begin, apply=apply)
        try:
            async with contextlib.aclosing(found):
                async for finding in found:
                    done.findings += 1
                    done.left += finding.left
                    tell(finding)
        # an app that is closing would wrap it in an exception group
        except AnotherReconcile as running:
            interrupted = ReconcileError(running.detail)
        except (Problem, UpstreamRefused) as trouble:
            why = str(trouble) or type(trouble).__name__
            interrupted = ReconcileError(
                f"It stopped after {done.findings} findings ({why}). Run it again."
            )
    if interrupted is not None:
        raise interrupted
    return done


async def _begin(wiring: Wiring, since: datetime | timedelta) -> datetime:
    pool = await wiring.open_pool("booking", size=1)
    try:
        now = await database_now(pool)
    finally:
        await pool.close()
    if isinstance(since, timedelta):
        return now - since
    if since > now:
        raise ReconcileError(f"--since {since:%FT%TZ} is in the future; it is {now:%FT%TZ} now.")
    return since


def teller(*, as_json: bool, say: Say) -> Callable[[Finding], None]:
    """Prints findings: two lines each, or one line of JSON."""
    if as_json:
        return lambda finding: say(msgspec.json.encode(finding).decode())
    return lambda finding: _print(finding, say)


def _print(finding: Finding, say: Say) -> None:
    """Two lines: what was or will be done, and everything that is known."""
    say(f"{'left' if finding.left else 'done'}  {finding.kind.replace('_', ' ')}: {finding.what}")
    known = msgspec.structs.asdict(finding)
    shown = [f"{name}={_text(known[name])}" for name in SHOWN if known[name] not in (None, [])]
    say(f"      {' '.join(shown)}")


SHOWN = (
    *("amount", "currency", "order_id", "order_no", "payment_id", "refund_id", "event_id"),
    *("template", "user_id", "session_id", "title", "starts_at", "seats", "at"),
)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%FT%TZ}"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).replace(" ", "_")


def print_summary(done: Reconciled, *, applied: bool, say: Say) -> None:
    say(f"{done.findings} findings, {done.left} left")
    if done.left and not applied:
        say("Nothing was changed: --apply acts on them.")
