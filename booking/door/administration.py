"""Door assignments from the command line. Each call opens a connection of its own."""

from collections.abc import Sequence
from uuid import UUID

from booking.door import store
from booking.door.staff import STAFF_PER_SESSION_MAX
from chassis.observability import logs
from chassis.postgres.pool import open_pool, transaction

SCHEMA = "booking"

log = logs.get("booking")


async def put_on_the_door(
    database_url: str, user_id: UUID, sessions: Sequence[UUID] | None = None
) -> None:
    """Assigns them to these sessions; None means every session of the house."""
    pool = await open_pool(database_url, SCHEMA, size=1)
    try:
        async with transaction(pool) as tx:
            if sessions is None:
                await store.assign_house_staff(tx, user_id)
            for session_id in sessions or ():
                await store.assign_staff(
                    tx, session_id, user_id, assigned_by=None, most=STAFF_PER_SESSION_MAX
                )
    finally:
        await pool.close()
    log.info("staff_assigned", staff=user_id, sessions=len(sessions) if sessions else "all")


async def take_off_the_house_door(database_url: str, user_id: UUID) -> bool:
    """Ends their assignment to the whole house; single sessions stay assigned. False if they had none."""
    pool = await open_pool(database_url, SCHEMA, size=1)
    try:
        async with transaction(pool) as tx:
            return await store.dismiss_house_staff(tx, user_id)
    finally:
        await pool.close()
