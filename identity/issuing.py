"""Issues tokens: the first pair of a new login, and the next pair of a refreshed login."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from chassis.ids import uuid7
from chassis.postgres.pool import Connection
from identity.keys import Keys, SigningKey
from identity.store import Store
from identity.tokens import hash_of, new_refresh_token, sign_access_token
from identity.wire import TokenPair

DAY_S = 86_400
# absolute: then the password is needed again, even if the login was in use
LOGIN_TTL_S = 30 * DAY_S
# verifiers' clocks may lag: a revocation outlives the tokens that it revokes
REVOCATION_MARGIN_S = 60
LOGIN_IDLE_TTL_S = 14 * DAY_S  # a login that was not refreshed for this long is abandoned


class IssuedLogin(msgspec.Struct, frozen=True):
    login_id: UUID
    tokens: TokenPair


class LoggedIn(msgspec.Struct, frozen=True):
    """A login's first pair, and the Set-Cookie value that makes its device known."""

    tokens: TokenPair
    device_cookie: str


class Issuer:
    """Issues tokens inside the caller's transaction: no token is sent before its row is committed."""

    def __init__(self, store: Store, keys: Keys, *, access_token_ttl_s: int) -> None:
        self._store = store
        self._keys = keys
        self.access_token_ttl_s = access_token_ttl_s
        self.revoked_for_s = access_token_ttl_s + REVOCATION_MARGIN_S

    async def signing_key(self) -> SigningKey:
        """Call it before a transaction begins: it may need a connection of its own."""
        return await self._keys.signing_key()

    async def open_login(
        self, tx: Connection, key: SigningKey, user_id: UUID, roles: Sequence[str]
    ) -> IssuedLogin:
        login_id, refresh_token = uuid7(), new_refresh_token()
        now_s = await self._store.insert_login(
            tx,
            login_id=login_id,
            user_id=user_id,
            token_hash=hash_of(refresh_token),
            family_ttl_s=LOGIN_TTL_S,
            idle_ttl_s=LOGIN_IDLE_TTL_S,
        )
        access_token = self._signed(key, user_id, login_id, roles, now_s)
        return self._issued(login_id, user_id, access_token, refresh_token)

    async def continue_login(
        self,
        tx: Connection,
        key: SigningKey,
        user_id: UUID,
        login_id: UUID,
        roles: Sequence[str],
    ) -> IssuedLogin:
        """The next pair of a login. The roles are read again each time."""
        refresh_token = new_refresh_token()
        now_s = await self._store.insert_refresh_token(
            tx,
            login_id=login_id,
            token_hash=hash_of(refresh_token),
            idle_ttl_s=LOGIN_IDLE_TTL_S,
        )
        access_token = self._signed(key, user_id, login_id, roles, now_s)
        return self._issued(login_id, user_id, access_token, refresh_token)

    def _signed(
        self, key: SigningKey, user_id: UUID, login_id: UUID, roles: Sequence[str], now_s: float
    ) -> str:
        return sign_access_token(
            key,
            user_id=user_id,
            login_id=login_id,
            roles=roles,
            now_s=now_s,
            ttl_s=self.access_token_ttl_s,
        )

    def _issued(
        self, login_id: UUID, user_id: UUID, access_token: str, refresh_token: str
    ) -> IssuedLogin:
        pair = TokenPair(user_id, access_token, refresh_token, self.access_token_ttl_s)
        return IssuedLogin(login_id, pair)
