"""Bodies that clients send and get. Input structs refuse unknown fields; output structs are separate."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chassis.languages import Code
from identity.domain.passwords import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from identity.domain.people import EMAIL_LENGTH_MAX, NAME_LENGTH_MAX, PHONE_LENGTH_MAX

# surrounding blanks are stripped before the length is checked
TYPED_EMAIL_LENGTH_MAX = EMAIL_LENGTH_MAX + 66

Email = Annotated[
    str,
    Meta(min_length=3, max_length=TYPED_EMAIL_LENGTH_MAX, extra_json_schema={"format": "email"}),
]
NewPassword = Annotated[str, Meta(min_length=PASSWORD_LENGTH_MIN, max_length=PASSWORD_LENGTH_MAX)]
FullName = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH_MAX)]


class Register(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`locale`: the language of messages to this account. Without it, Accept-Language decides."""

    email: Email
    password: NewPassword
    full_name: FullName
    locale: Code | UnsetType = UNSET


class ForgotPassword(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    email: Email


class ResetPassword(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`token`: from the link in the mail."""

    token: Annotated[str, Meta(min_length=1, max_length=256)]
    password: NewPassword


class ChangePassword(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    current_password: Annotated[str, Meta(min_length=1, max_length=PASSWORD_LENGTH_MAX)]
    password: NewPassword


class LogIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    email: Email
    password: Annotated[str, Meta(min_length=1, max_length=PASSWORD_LENGTH_MAX)]


class Refresh(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    refresh_token: Annotated[str, Meta(min_length=1, max_length=256)]


class ChangeProfile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Fields that are left out stay unchanged. `phone: null` removes the number."""

    full_name: FullName | UnsetType = UNSET
    phone: Annotated[str, Meta(max_length=PHONE_LENGTH_MAX)] | UnsetType | None = UNSET
    locale: Code | UnsetType = UNSET


class LinkSent(msgspec.Struct, frozen=True):
    """Always the same answer. `expires_in`: seconds for which the link works, from when its mail is
    sent."""

    expires_in: int


class TokenPair(msgspec.Struct, frozen=True):
    """`expires_in`: seconds until the access token expires."""

    user_id: UUID
    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"


class Profile(msgspec.Struct, frozen=True):
    user_id: UUID
    email: str
    full_name: str
    phone: str | None
    locale: Code
    roles: list[str]
