"""What identity tells other services. Import this and nothing else of identity."""

from datetime import datetime
from uuid import UUID

import msgspec


class Account(msgspec.Struct, frozen=True):
    """GET /internal/users/{user_id}: 404 when there is none. `locale` is `zh` or `en`."""

    user_id: UUID
    email: str
    full_name: str
    phone: str | None
    locale: str
    roles: list[str]
    active: bool


class RevokedLogin(msgspec.Struct, frozen=True):
    """A login whose access tokens must not work, at least until the last of them has expired."""

    login_id: UUID
    until: datetime


class RevokedLogins(msgspec.Struct, frozen=True):
    """GET /internal/revoked-logins: all whose `until` is still to come."""

    logins: list[RevokedLogin]


REVOKED_LOGIN_HEADER = (
    b"x-stampede-revoked-login"  # on any answer that revoked one; gateway strips it
)
JWKS_PATH = "/.well-known/jwks.json"
REVOKED_LOGINS_PATH = "/internal/revoked-logins"
USER_PATH = "/internal/users/{user_id}"
