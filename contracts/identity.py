"""What other services may know of identity. Import nothing else of identity."""

from datetime import datetime
from uuid import UUID

import msgspec


class Account(msgspec.Struct, frozen=True):
    """An account without its secrets. `locale`: a language of ours, or one that we spoke once."""

    user_id: UUID
    email: str
    full_name: str
    phone: str | None
    locale: str
    roles: list[str]
    active: bool


class AccountLookup(msgspec.Struct, frozen=True):
    """An account to look up, and the request that needs it: identity logs the read under its id."""

    user_id: UUID
    request_id: str
    span: str


class AccountLookups(msgspec.Struct, frozen=True):
    """POST /internal/users/lookup: at most LOOKUPS_MAX."""

    lookups: list[AccountLookup]


class Accounts(msgspec.Struct, frozen=True):
    """One per account asked for, in the same order. None where there is no such account."""

    accounts: list[Account | None]


class EmailLookup(msgspec.Struct, frozen=True):
    """POST /internal/users/by-email: the Account. 404 if there is none, 400 for an invalid address."""

    email: str


class RevokedLogin(msgspec.Struct, frozen=True):
    """A login whose access tokens must be refused, at least until the last of them has expired."""

    login_id: UUID
    until: datetime


class RevokedLogins(msgspec.Struct, frozen=True):
    """GET /internal/revoked-logins: all logins whose `until` is in the future."""

    logins: list[RevokedLogin]


class PasswordResetAsked(msgspec.Struct, frozen=True):
    """Data of the event. With `reset_id`, a service may request the link over an internal route, while it
    is valid. The event itself gives no access, wherever it is stored."""

    user_id: UUID
    reset_id: UUID


class PasswordChanged(msgspec.Struct, frozen=True):
    """Data of the event. `by_link`: true for a reset with a mailed link, false for a change with the old
    password."""

    user_id: UUID
    by_link: bool


class PasswordLinkWanted(msgspec.Struct, frozen=True):
    """POST /internal/password-links: the PasswordLink. 404 if the request was replaced, used or is too
    old."""

    reset_id: UUID


class PasswordLink(msgspec.Struct, frozen=True):
    """For the mail that is being written. Must not be stored. `lives_s`: seconds from now."""

    token: str
    lives_s: int


# These two are only between identity and notification. No other consumer may rely on them.
PASSWORD_RESET_ASKED = "stampede.password.reset_asked.v1"
PASSWORD_CHANGED = "stampede.password.changed.v1"
# On every answer that revoked logins: their ids, separated by commas, or ALL_REVOKED if there are
# too many to list and the whole list must be read. The gateway removes the header.
REVOKED_LOGIN_HEADER = b"x-stampede-revoked-login"
ALL_REVOKED = "*"
REVOKED_NAMED_MAX = 100
PASSWORD_LINKS_PATH = "/internal/password-links"
JWKS_PATH = "/.well-known/jwks.json"
REVOKED_LOGINS_PATH = "/internal/revoked-logins"
LOOKUP_PATH = "/internal/users/lookup"
BY_EMAIL_PATH = "/internal/users/by-email"
LOOKUPS_MAX = 200
