"""What identity tells other services. Import this and nothing else of identity."""

from datetime import datetime
from uuid import UUID

import msgspec


class Account(msgspec.Struct, frozen=True):
    """One without its secrets. `locale`: a language of ours, or one that we spoke once."""

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


class PasswordResetAsked(msgspec.Struct, frozen=True):
    """Data of the event. Whoever knows `reset_id` may have the link made, on the seam and while it lasts:
    the event itself opens nothing, wherever it is kept."""

    user_id: UUID
    reset_id: UUID


class PasswordChanged(msgspec.Struct, frozen=True):
    """Data of the event. `by_link`: reset by a mailed link, and not by whoever knew the old password."""

    user_id: UUID
    by_link: bool


class PasswordLinkWanted(msgspec.Struct, frozen=True):
    """POST /internal/password-links: the PasswordLink; 404 when nobody waits for it any more."""

    reset_id: UUID


class PasswordLink(msgspec.Struct, frozen=True):
    """For the mail that is being written, and to be kept nowhere. `lives_s`: from now on."""

    token: str
    lives_s: int


# These two are between identity and notification; others are promised nothing of them.
PASSWORD_RESET_ASKED = "stampede.password.reset_asked.v1"
PASSWORD_CHANGED = "stampede.password.changed.v1"
# On any answer that revoked logins: their ids by commas, or ALL_REVOKED when they are more than can be
# named, and the list is to be read. The gateway strips it.
REVOKED_LOGIN_HEADER = b"x-stampede-revoked-login"
ALL_REVOKED = "*"
REVOKED_NAMED_MAX = 100
PASSWORD_LINKS_PATH = "/internal/password-links"
JWKS_PATH = "/.well-known/jwks.json"
REVOKED_LOGINS_PATH = "/internal/revoked-logins"
LOOKUP_PATH = "/internal/users/lookup"
BY_EMAIL_PATH = "/internal/users/by-email"
LOOKUPS_MAX = 200
