"""What identity tells other services. Import this and nothing else of identity."""

from datetime import datetime
from uuid import UUID

import msgspec


class Account(msgspec.Struct, frozen=True):
    """One without its secrets. `locale` is `zh` or `en`."""

    user_id: UUID
    email: str
    full_name: str
    phone: str | None
    locale: str
    roles: list[str]
    active: bool


class AccountLookup(msgspec.Struct, frozen=True):
    """One account asked for, and the request that needs it: identity logs the read under its id."""

    user_id: UUID
    request_id: str
    span: str


class AccountLookups(msgspec.Struct, frozen=True):
    """POST /internal/users/lookup: at most LOOKUPS_MAX."""

    lookups: list[AccountLookup]


class Accounts(msgspec.Struct, frozen=True):
    """As many as were asked for, in the same order; None where there is no such account."""

    accounts: list[Account | None]


class EmailLookup(msgspec.Struct, frozen=True):
    """POST /internal/users/by-email: the Account; 404 when there is none, 400 for no address."""

    email: str


class RevokedLogin(msgspec.Struct, frozen=True):
    """A login whose access tokens must not work, at least until the last of them has expired."""

    login_id: UUID
    until: datetime


class RevokedLogins(msgspec.Struct, frozen=True):
    """GET /internal/revoked-logins: all whose `until` is still to come."""

    logins: list[RevokedLogin]


# On any answer that revoked one; the gateway strips it.
REVOKED_LOGIN_HEADER = b"x-stampede-revoked-login"
JWKS_PATH = "/.well-known/jwks.json"
REVOKED_LOGINS_PATH = "/internal/revoked-logins"
LOOKUP_PATH = "/internal/users/lookup"
BY_EMAIL_PATH = "/internal/users/by-email"
LOOKUPS_MAX = 200
