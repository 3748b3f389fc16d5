"""Pausing, resuming and limiting a session's sale.

One transaction has the change, who made it and why, and the event. It takes the session's lock alone: it
waits for the orders that are being placed, and the next ones see it. So once it is answered, no order is
placed that would not have been allowed afterwards. A change that changes nothing leaves no row and has the
same answer.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from booking.clients.catalog import Sessions
from booking.events.store import record_and_publish
from booking.operations import store
from booking.operations.controls import SaleControls
from booking.operations.store import Controls, Doing, NewAction
from booking.operations.wire import ChangeLimits, SaleAnswer, SaleLimits, sale_answer
from chassis.auth.tokens import Principal
from chassis.clock import second
from chassis.events.envelope import PendingEvent, pending
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection, transaction
from chassis.postgres.replicated import until_replicated
from chassis.problems import NotFound, Problem
from contracts.booking import SALE_CHANGED, SaleChanged
from contracts.rehearsals import is_rehearsal

log = logs.get("booking")

LOG_EVENTS: dict[Doing, str] = {
    "pause": "sale_paused",
    "resume": "sale_resumed",
    "limits": "sale_limits_changed",
}


class Steered(msgspec.Struct, frozen=True):
    """`before` and `after` of an action."""

    paused: bool
    max_tickets_per_user: int | None
    orders_per_second: int | None


class SaleSteering:
    """Every method raises NotFound if the session is not published. A rehearsal's is not steered."""

    def __init__(self, pool: Pool, *, sessions: Sessions, controls: SaleControls) -> None:
        self._pool = pool
        self._sessions = sessions
        self._controls = controls

    async def sale(self, session_id: UUID) -> SaleAnswer:
        terms = await self._sessions.published(session_id)
        async with connection(self._pool) as db:
            found = await store.get_controls(db, session_id)
        return sale_answer(found, terms.max_tickets_per_user)

    async def pause(self, principal: Principal, session_id: UUID, reason: str) -> SaleAnswer:
        """No order is placed from now on. What is held may be paid, and all else goes on."""

        def change(controls: Controls) -> Controls:
            since = controls.paused_at or datetime.now(UTC)  # PostgreSQL sets the time
            return msgspec.structs.replace(controls, paused_at=since)

        return await self._change(principal, session_id, "pause", reason, change)

    async def resume(self, principal: Principal, session_id: UUID, reason: str) -> SaleAnswer:
        def change(controls: Controls) -> Controls:
            return msgspec.structs.replace(controls, paused_at=None)

        return await self._change(principal, session_id, "resume", reason, change)

    async def limit(
        self, principal: Principal, session_id: UUID, wanted: ChangeLimits
    ) -> SaleAnswer:
        """A lower limit takes nothing from those who have more already."""
        named = {
            name: value
            for name in SaleLimits.__struct_fields__
            if (value := getattr(wanted, name)) is not msgspec.UNSET
        }

        def change(controls: Controls) -> Controls:
            return msgspec.structs.replace(controls, **named)

        return await self._change(principal, session_id, "limits", wanted.reason, change)

    async def _change(
        self,
        principal: Principal,
        session_id: UUID,
        action: Doing,
        reason: str,
        change: Callable[[Controls], Controls],
    ) -> SaleAnswer:
        if is_rehearsal(session_id):  # it is gone in a minute, and what is written here would stay
            raise NotFound()
        terms = await self._sessions.published(session_id)
        async with transaction(self._pool) as tx:
            await store.lock_controls(tx, session_id)
            before = await store.get_controls(tx, session_id)
            after = change(before)
            changed = after != before
            if changed:
                after = await store.set_controls(tx, after)
                await store.record_action(
                    tx,
                    NewAction(
                        by_user=principal.user_id,
                        action=action,
                        reason=reason,
                        session_id=session_id,
                        before=_steered(before),
                        after=_steered(after),
                    ),
                )
                await record_and_publish(tx, [], [_event(after)])
            else:
                await until_replicated(tx)
        if changed:
            log.warning(
                LOG_EVENTS[action], session=session_id, user=principal.user_id, reason=reason,
                max_tickets_per_user=after.max_tickets_per_user,
                orders_per_second=after.orders_per_second,
            )  # fmt: skip
            await self._read_again()
        return sale_answer(after, terms.max_tickets_per_user)

    async def _read_again(self) -> None:
        try:
            await self._controls.read()
        except (Problem, TimeoutError):  # PostgreSQL refuses meanwhile; the next round reads them
            return


def _steered(controls: Controls) -> bytes:
    return msgspec.json.encode(
        Steered(
            controls.paused_at is not None,
            controls.max_tickets_per_user,
            controls.orders_per_second,
        )
    )


def _event(controls: Controls) -> PendingEvent:
    return pending(
        SALE_CHANGED,
        str(controls.session_id),
        SaleChanged(
            session_id=controls.session_id,
            paused=controls.paused_at is not None,
            paused_at=second(controls.paused_at),
            max_tickets_per_user=controls.max_tickets_per_user,
            orders_per_second=controls.orders_per_second,
            version=controls.version,
        ),
    )
