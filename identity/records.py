"""Rows as structs."""

from uuid import UUID

import msgspec


class EndedLogin(msgspec.Struct, frozen=True):
    """`live`: true if one of its access tokens may still be valid."""

    login_id: UUID
    live: bool
