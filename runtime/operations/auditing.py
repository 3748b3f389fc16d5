"""`stampede audit` and `stampede rebuild`: the services' checks, run outside the web processes."""

import contextlib
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from booking.audit.checks import Finding, audit
from booking.composition import opened
from booking.seats.loaded import list_loaded
from booking.seats.store import claimed_sessions
from chassis.problems import NotFound
from chassis.settings import Settings
from notification.webhooks.store import INVARIANTS, broken_webhooks
from runtime.compose import compose

__all__ = ["Finding", "audit_all", "print_findings", "rebuild_sessions"]
# booking reads plans through it; it runs in this process unless its URL is set
NEEDED = ("catalog",)


async def audit_all(loaded: Settings) -> list[Finding]:
    """Checks every invariant of PROMISES.md over PostgreSQL and Redis."""
    async with compose(loaded, _local(loaded)).running() as platform:
        findings = await audit(platform.wiring)
        pool = await platform.wiring.open_pool("notification", size=1)
        try:
            told = [(name, await broken_webhooks(pool, name)) for name in INVARIANTS]
        finally:
            await pool.close()
    return findings + [Finding(name, not details, details) for name, details in told]


async def rebuild_sessions(loaded: Settings, session_id: UUID | None) -> list[UUID]:
    """Rebuilds the seats of one session in Redis, or (None) of every session that has claims or is in
    Redis. Returns those rebuilt: a session that PostgreSQL no longer knows is left to the sweeper."""
    async with (
        compose(loaded, _local(loaded)).running() as platform,
        opened(platform.wiring) as booking,
    ):
        if session_id is not None:
            await booking.holds.rebuild(session_id)
            return [session_id]
        loaded_ones = (await list_loaded(booking.holds.calls)).sessions
        rebuilt = []
        for one in sorted({*await claimed_sessions(booking.pool), *loaded_ones}):
            with contextlib.suppress(NotFound):
                await booking.holds.rebuild(one)
                rebuilt.append(one)
        return rebuilt


def _local(loaded: Settings) -> list[str]:
    return [name for name in NEEDED if getattr(loaded, f"{name}_url") is None]


def print_findings(
    findings: Sequence[Finding], *, as_json: bool, say: Callable[[str], None]
) -> None:
    """Prints one line per invariant, or one JSON document `{"ok": …, "findings": […]}`."""
    if as_json:
        document = {"ok": all(finding.ok for finding in findings), "findings": findings}
        say(msgspec.json.encode(document).decode())
        return
    for finding in findings:
        say(f"{'ok    ' if finding.ok else 'BROKEN'} {finding.name.replace('_', ' ')}")
        for detail in finding.details:
            say(f"         {detail}")
