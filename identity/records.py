"""Rows as structs."""

from uuid import UUID

import msgspec


class EndedLogin(msgspec.Struct, frozen=True):
    """`live`: an access token of it may still be good by itself."""

    login_id: UUID
    live: bool
