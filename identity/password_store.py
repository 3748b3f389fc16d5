"""Identity's SQL about passwords: reset links, changes, and the logins that end with them."""

from uuid import UUID

import msgspec

from chassis.context import current
from chassis.events.envelope import PendingEvent
from chassis.ids import uuid7
from chassis.postgres.pool import Connection, load_queries
from contracts.identity import PASSWORD_RESET_ASKED
from identity.records import EndedLogin
from identity.store import QUERIES, FailureLimit


class AskedLink(msgspec.Struct, frozen=True):
    """`user_id`: None for an unknown address. `allowed`: true if not too many mails were sent."""

    user_id: UUID | None
    allowed: bool


class LinkOwner(msgspec.Struct, frozen=True):
    """The account whose password a link resets."""

    user_id: UUID
    email: str


class ChangedPassword(msgspec.Struct, frozen=True):
    email: str
    roles: list[str]
    password_version: int


class PasswordStore:
    """One method per query, on a connection or in the caller's transaction."""

    def __init__(self) -> None:
        self._sql = load_queries(QUERIES)

    async def ask_for_link(
        self,
        db: Connection,
        *,
        email: str,
        email_hash: bytes,
        reset_id: UUID,
        mails: FailureLimit,
    ) -> AskedLink:
        """If a mail is due, writes its event in the same statement."""
        row = await self._sql.ask_for_link(
            db,
            email=email,
            email_hash=email_hash,
            reset_id=reset_id,
            spacing_s=mails.spacing_s,
            window_s=mails.window_s,
            event_id=uuid7(),
            type=PASSWORD_RESET_ASKED,
            request_id=current().request_id,
            traceparent=current().event_traceparent,
        )
        return AskedLink(**row)

    async def make_link(
        self, db: Connection, reset_id: UUID, token_hash: bytes, *, ttl_s: float
    ) -> UUID | None:
        """The link's owner, or None if the request was replaced, used or is too old."""
        user_id: UUID | None = await self._sql.make_link(
            db, reset_id=reset_id, token_hash=token_hash, ttl_s=ttl_s
        )
        return user_id

    async def find_link(self, db: Connection, token_hash: bytes) -> LinkOwner | None:
        row = await self._sql.find_link(db, token_hash=token_hash)
        return None if row is None else LinkOwner(**row)

    async def use_link(self, tx: Connection, token_hash: bytes) -> bool:
        """False if it was used before or has expired."""
        return await self._sql.use_link(tx, token_hash=token_hash) is not None

    async def forget_links(self, tx: Connection, user_id: UUID) -> None:
        await self._sql.forget_links(tx, user_id=user_id)

    async def set_password(
        self, tx: Connection, user_id: UUID, password_hash: str, *, version: int | None
    ) -> ChangedPassword | None:
        """None if the password no longer has `version`, or the account is closed."""
        row = await self._sql.set_password(
            tx, user_id=user_id, password_hash=password_hash, version=version
        )
        return None if row is None else ChangedPassword(**row)

    async def hold_password(self, tx: Connection, user_id: UUID, version: int) -> bool:
        """True if the password still has this version. It cannot change until the transaction ends."""
        return bool(await self._sql.hold_password(tx, user_id=user_id, version=version))

    async def revoke_logins(
        self,
        tx: Connection,
        user_id: UUID,
        *,
        kept: UUID | None,
        reason: str,
        until_s: float,
    ) -> list[EndedLogin]:
        rows = self._sql.revoke_logins(
            tx, user_id=user_id, kept=kept, reason=reason, until_s=until_s
        )
        return [EndedLogin(**row) async for row in rows]

    async def insert_event(self, tx: Connection, event: PendingEvent) -> None:
        await self._sql.insert_event(
            tx,
            event_id=event.id,
            type=event.type,
            subject=event.subject,
            request_id=event.request_id,
            data=event.data.decode(),
            traceparent=event.traceparent,
        )

    async def get_device_key(self, db: Connection) -> bytes:
        secret: bytes = await self._sql.get_device_key(db)
        return secret
