"""Who did what, when and why."""

from uuid import UUID

from booking.clients.identity import KnownAccounts
from booking.operations import store
from booking.operations.wire import ActionPage, action_answer
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection
from chassis.problems import FieldError, Problem, ValidationFailed

LAST_ACTION = UUID(int=2**128 - 1)  # greater than every action's id

log = logs.get("booking")


class Actions:
    def __init__(self, pool: Pool, *, accounts: KnownAccounts) -> None:
        self._pool = pool
        self._accounts = accounts

    async def page(self, *, cursor: str | None, limit: int) -> ActionPage:
        """Newest first. Without identity, nobody's address is known."""
        before = LAST_ACTION if cursor is None else _read_cursor(cursor)
        async with connection(self._pool) as db:
            found = await store.list_actions(db, before=before, limit=limit + 1)
        shown = found[:limit]
        emails: dict[UUID, str] = {}
        try:
            accounts = await self._accounts.accounts([one.by_user for one in shown])
            emails = {user_id: account.email for user_id, account in accounts.items()}
        except Problem as away:
            log.warning("operators_unknown", reason=away.code)
        more = len(found) > limit
        return ActionPage(
            items=[action_answer(one, emails.get(one.by_user)) for one in shown],
            next_cursor=str(shown[-1].action_id) if more else None,
        )


def _read_cursor(cursor: str) -> UUID:
    """The last action of the previous page."""
    try:
        return UUID(cursor)
    except ValueError:
        raise ValidationFailed(
            errors=[FieldError("cursor", "is not a `next_cursor` of this list")]
        ) from None
