"""Resetting and changing passwords. Both end the account's other logins at once, everywhere.

requested → an event without a secret → notification writes the mail and requests the link for it
→ used once within LINK_TTL_S, or replaced by a newer one, or deleted by a change of password

The token exists only in the mail and, while the mail is written, in this process. Its hash is stored. See
docs/adr/0036.
"""

from uuid import UUID, uuid4

import msgspec

from chassis.concurrency.turns import KeyedLock
from chassis.events.envelope import pending
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection, transaction
from chassis.problems import InvalidToken, NotFound
from contracts.identity import PASSWORD_CHANGED, PasswordChanged, PasswordLink
from identity.attempts import Attempts
from identity.devices import Devices
from identity.domain.passwords import acceptable_password
from identity.domain.people import normalise_email
from identity.hashing import HashingPool
from identity.issuing import Issuer, LoggedIn
from identity.password_store import PasswordStore
from identity.problems import InvalidCredentials, LinkExpired
from identity.records import EndedLogin
from identity.store import FailureLimit, Store
from identity.tokens import hash_of, new_link_token
from identity.wire import ChangePassword, ForgotPassword, ResetPassword

LINK_TTL_S = 1800
MAILS = FailureLimit(3, 3600.0)  # per account; then one every twenty minutes
USES_AT_ONCE_MAX = 8  # requests with one link in one process; one runs, the others wait

log = logs.get("identity")


class Changed(msgspec.Struct, frozen=True):
    """The logins that ended, and the Set-Cookie value for the device that made the change."""

    ended: list[EndedLogin]
    device_cookie: str


class Reset(msgspec.Struct, frozen=True):
    login: LoggedIn
    ended: list[EndedLogin]


class Passwords:
    """A refusal changes neither the password, nor the logins, nor the link.

    Transactions lock the account before its links, failures and logins, as a login does, so they cannot
    deadlock.
    """

    def __init__(
        self,
        *,
        pool: Pool,
        store: Store,
        password_store: PasswordStore,
        hashing: HashingPool,
        issuer: Issuer,
        attempts: Attempts,
        devices: Devices,
    ) -> None:
        self._pool = pool
        self._store = store
        self._password_store = password_store
        self._hashing = hashing
        self._issuer = issuer
        self._attempts = attempts
        self._devices = devices
        self._turns = KeyedLock(per_key_max=USES_AT_ONCE_MAX)

    async def ask_for_link(self, body: ForgotPassword) -> None:
        """Requests a mail with a link, if there is such an account and its mails are not too many. The
        answer is always the same."""
        email = normalise_email(body.email)
        async with connection(self._pool) as db:
            asked = await self._password_store.ask_for_link(
                db, email=email, email_hash=hash_of(email), reset_id=uuid4(), mails=MAILS
            )
        if asked.user_id is None:
            log.info("password_link_refused", reason="unknown_account")
        elif not asked.allowed:
            log.warning("password_link_refused", user=asked.user_id, reason="too_many_mails")
        else:
            log.info("password_link_asked", user=asked.user_id)

    async def make_link(self, reset_id: UUID) -> PasswordLink:
        """The link for a mail that is being written. Raises NotFound if it was replaced, used or is too
        old."""
        token = new_link_token()
        async with connection(self._pool) as db:
            user_id = await self._password_store.make_link(
                db, reset_id, hash_of(token), ttl_s=LINK_TTL_S
            )
        if user_id is None:
            raise NotFound()
        log.info("password_link_made", user=user_id)
        return PasswordLink(token, LINK_TTL_S)

    async def reset(self, body: ResetPassword, cookie: str | None) -> Reset:
        """Sets the password and opens a new login. All others end. Raises LinkExpired, ValidationFailed,
        Overloaded."""
        token_hash = hash_of(body.token)
        async with self._turns.of(token_hash):
            async with connection(self._pool) as db:
                owner = await self._password_store.find_link(db, token_hash)
            if owner is None:
                raise LinkExpired()
            password = acceptable_password(body.password, email=owner.email)
            password_hash = await self._hashing.hash(password)
            key = await self._issuer.signing_key()
            async with transaction(self._pool) as tx:
                changed = await self._password_store.set_password(
                    tx, owner.user_id, password_hash, version=None
                )
                used = await self._password_store.use_link(tx, token_hash)
                if changed is None or not used:
                    raise LinkExpired()
                ended = await self._follow(tx, owner.user_id, kept=None, by_link=True)
                await self._attempts.forget(tx, changed.email)
                issued = await self._issuer.open_login(tx, key, owner.user_id, changed.roles)
        log.info("password_reset", user=owner.user_id, login=issued.login_id, ended=len(ended))
        device = self._devices.remember(cookie, changed.email, changed.password_version)
        return Reset(LoggedIn(issued.tokens, device), ended)

    async def change(
        self, user_id: UUID, login_id: UUID, body: ChangePassword, cookie: str | None
    ) -> Changed:
        """Ends all logins but this one. Raises InvalidCredentials for a wrong current password (it counts
        as a failed login), InvalidToken if this login has ended, ValidationFailed, or RateLimited."""
        async with connection(self._pool) as db:
            account = await self._store.get_own_account(db, user_id, login_id)
        if account is None:
            raise InvalidToken("This login has ended.")
        password = acceptable_password(body.password, email=account.email)
        verified = await self._attempts.verified(
            account.email, body.current_password, self._devices.find(cookie, account.email)
        )
        if verified is None:
            raise InvalidCredentials("The current password is wrong.")
        password_hash = await self._hashing.hash(password)
        async with transaction(self._pool) as tx:
            changed = await self._password_store.set_password(
                tx, user_id, password_hash, version=verified.password_version
            )
            if changed is None:
                raise InvalidCredentials("The password was changed a moment ago.")
            await self._attempts.settle_count(tx, verified)
            ended = await self._follow(tx, user_id, kept=login_id, by_link=False)
        log.info("password_changed", user=user_id, login=login_id, ended=len(ended))
        device = self._devices.remember(cookie, changed.email, changed.password_version)
        return Changed(ended, device)

    async def _follow(
        self, tx: Connection, user_id: UUID, *, kept: UUID | None, by_link: bool
    ) -> list[EndedLogin]:
        """What a new password changes, in its transaction: links are deleted, logins end, and the owner
        gets a mail."""
        await self._password_store.forget_links(tx, user_id)
        event = pending(PASSWORD_CHANGED, str(user_id), PasswordChanged(user_id, by_link))
        await self._password_store.insert_event(tx, event)
        return await self._password_store.revoke_logins(
            tx, user_id, kept=kept, reason="password", until_s=self._issuer.revoked_for_s
        )
