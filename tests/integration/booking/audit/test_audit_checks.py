"""`stampede audit` says what it could not check."""

from booking.audit.checks import audit_booking
from booking.audit.store import INVARIANTS
from chassis.postgres.pool import connection
from tests.support.booking import booking_tables, running_booking


async def test_a_check_that_takes_too_long_is_told_as_not_sound(
    database_url: str, redis_url: str
) -> None:
    async with (
        running_booking(database_url, redis_url) as app,
        booking_tables(database_url) as other,
    ):
        async with connection(app.services.pool) as db:  # lent again to the audit, as it is
            await db.execute("SET statement_timeout = 50")
        async with other.transaction():
            await other.execute("LOCK TABLE tickets IN ACCESS EXCLUSIVE MODE")
            findings = {one.name: one for one in await audit_booking(app.services, looks_max=1)}
    sold_once = findings["seats_sold_once"]
    assert not sold_once.ok
    assert sold_once.details == [
        "could not be checked: canceling statement due to statement timeout"
    ]
    assert set(INVARIANTS) < set(findings), "the others were checked all the same"
    assert findings["orders_add_up"].ok
