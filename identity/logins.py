"""Logging in, refreshing, and logging out.

A login is a family of refresh tokens, each used once. A second use means that two parties hold the token,
and nobody can tell which one stole it: the family is revoked (RFC 9700, 4.14.2). This is strict: of two
refreshes at once with one token, the first gets a pair and the second ends the login with this pair. A
client must refresh one at a time.
"""

from uuid import UUID

from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, transaction
from chassis.problems import Problem
from identity.attempts import Attempts
from identity.devices import Devices
from identity.domain.people import normalise_email
from identity.issuing import IssuedLogin, Issuer, LoggedIn
from identity.keys import SigningKey
from identity.problems import InvalidCredentials, InvalidRefreshToken, RefreshTokenReused
from identity.store import LoginOfToken, Store
from identity.tokens import hash_of
from identity.wire import LogIn, TokenPair

log = logs.get("identity")


class Logins:
    """The life of a login. PostgreSQL's clock decides all deadlines."""

    def __init__(
        self, pool: Pool, store: Store, issuer: Issuer, attempts: Attempts, devices: Devices
    ) -> None:
        self._pool = pool
        self._store = store
        self._issuer = issuer
        self._attempts = attempts
        self._devices = devices

    async def log_in(self, body: LogIn, cookie: str | None) -> LoggedIn:
        """`cookie`: the device cookie, if any.

        Raises InvalidCredentials without saying which part is wrong, RateLimited, or Overloaded.
        """
        email = normalise_email(body.email)
        device = self._devices.find(cookie, email)
        verified = await self._attempts.verified(email, body.password, device)
        if verified is None:
            raise InvalidCredentials()
        key = await self._issuer.signing_key()
        async with transaction(self._pool) as tx:
            await self._attempts.settle(tx, verified)
            issued = await self._issuer.open_login(tx, key, verified.user_id, verified.roles)
        log.info("logged_in", user=verified.user_id, login=issued.login_id)
        cookie = self._devices.remember(cookie, email, verified.password_version)
        return LoggedIn(issued.tokens, cookie)

    async def refresh(self, refresh_token: str) -> TokenPair:
        """A new pair for an unused refresh token. Raises InvalidRefreshToken or RefreshTokenReused."""
        key = await self._issuer.signing_key()
        async with transaction(self._pool) as tx:
            outcome = await self._rotate(tx, hash_of(refresh_token), key)
        # raised after the transaction, so that the revocation is committed
        if isinstance(outcome, Problem):
            raise outcome
        log.info("refreshed", user=outcome.tokens.user_id, login=outcome.login_id)
        return outcome.tokens

    async def log_out(self, user_id: UUID, login_id: UUID) -> None:
        """Ends the login: its refresh tokens now, its access tokens as soon as the gateway knows."""
        async with transaction(self._pool) as tx:
            await self._revoke(tx, user_id, login_id, "logout")
        log.info("logged_out", user=user_id, login=login_id)

    async def _rotate(
        self, tx: Connection, token_hash: bytes, key: SigningKey
    ) -> IssuedLogin | Problem:
        login = await self._store.lock_login_of_token(tx, token_hash)
        if login is None:
            return InvalidRefreshToken()
        if login.revoked_for == "reuse":  # tells the rightful owner why it ended
            return RefreshTokenReused(login.login_id)
        if login.revoked_for is not None or login.expired or not login.active:
            return InvalidRefreshToken()
        if not await self._store.spend_refresh_token(tx, token_hash):
            return await self._refuse_spent(tx, token_hash, login)
        return await self._issuer.continue_login(
            tx, key, login.user_id, login.login_id, login.roles
        )

    async def _refuse_spent(
        self, tx: Connection, token_hash: bytes, login: LoginOfToken
    ) -> Problem:
        if not await self._store.refresh_token_was_used(tx, token_hash):
            return InvalidRefreshToken()  # unused, but expired
        await self._revoke(tx, login.user_id, login.login_id, "reuse")
        log.warning("refresh_token_reused", user=login.user_id, login=login.login_id)
        return RefreshTokenReused(login.login_id)

    async def _revoke(self, tx: Connection, user_id: UUID, login_id: UUID, reason: str) -> None:
        await self._store.revoke_login(
            tx,
            login_id=login_id,
            user_id=user_id,
            reason=reason,
            until_s=self._issuer.revoked_for_s,
        )
