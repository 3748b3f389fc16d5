"""Door staff: assigned to a session by its organizer, or to the whole house by the operator."""

from datetime import datetime
from uuid import UUID

from booking.clients.catalog import Sessions
from booking.clients.identity import KnownAccounts, NoAddress
from booking.domain.problems import DoorFull, NotStaff
from booking.door import store
from booking.door.wire import AssignStaff, StaffAnswer, StaffList, check_assignment
from chassis.auth.tokens import Principal
from chassis.clock import whole_second
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection
from chassis.problems import NotFound
from contracts.identity import Account

STAFF_PER_SESSION_MAX = 200
ROLE = "staff"

log = logs.get("booking")


class DoorStaff:
    """For the session's own organizer and for admins. Raises NotFound for everybody else."""

    def __init__(self, pool: Pool, *, sessions: Sessions, buyers: KnownAccounts) -> None:
        self._pool = pool
        self._sessions = sessions
        self._buyers = buyers

    async def assign(
        self, principal: Principal, session_id: UUID, wanted: AssignStaff
    ) -> tuple[StaffAnswer, bool]:
        """The assignment, and whether it is new. Raises NotStaff or DoorFull."""
        check_assignment(wanted)
        await self._sessions.of_organizer(principal, session_id)
        account = await self._named(wanted)
        if account is None or not account.active or ROLE not in account.roles:
            raise NotStaff()  # one answer for all cases: it does not reveal who has an account
        async with connection(self._pool) as db:
            assigned = await store.assign_staff(
                db,
                session_id,
                account.user_id,
                assigned_by=principal.user_id,
                most=STAFF_PER_SESSION_MAX,
            )
        if assigned is None:
            raise DoorFull()
        since, news = assigned
        log.info("staff_assigned", session=session_id, staff=account.user_id, news=news)
        return _answer(session_id, account, since), news

    async def dismiss(self, principal: Principal, session_id: UUID, user_id: UUID) -> None:
        """Raises NotFound if they are not assigned to this session."""
        await self._sessions.of_organizer(principal, session_id)
        async with connection(self._pool) as db:
            if not await store.dismiss_staff(db, session_id, user_id):
                raise NotFound()
        log.info("staff_dismissed", session=session_id, staff=user_id)

    async def list(self, principal: Principal, session_id: UUID) -> StaffList:
        """Longest assigned first. Staff of the whole house are not listed; the operator manages them."""
        await self._sessions.of_organizer(principal, session_id)
        async with connection(self._pool) as db:
            members = await store.list_staff(db, session_id, limit=STAFF_PER_SESSION_MAX)
        accounts = await self._buyers.find_many([member.user_id for member in members])
        return StaffList(
            staff=[
                _answer(session_id, account, member.assigned_at)
                for member, account in zip(members, accounts, strict=True)
                if account is not None
            ]
        )

    async def _named(self, wanted: AssignStaff) -> Account | None:
        if wanted.email is None:
            return await self._buyers.find(wanted.user_id or UUID(int=0))
        try:
            return await self._buyers.find_by_email(wanted.email)
        except NoAddress:
            return None


def _answer(session_id: UUID, account: Account, since: datetime) -> StaffAnswer:
    return StaffAnswer(
        session_id=session_id,
        user_id=account.user_id,
        full_name=account.full_name,
        email=account.email,
        assigned_at=whole_second(since),
    )
