"""What organizers send about their endpoints."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chassis.http.bodies import whole
from notification.webhooks.addresses import URL_LENGTH_MAX
from notification.webhooks.payloads import TOLD, EventType

OVERLAP_HOURS_DEFAULT = 24
OVERLAP_HOURS_MAX = 168

Address = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=URL_LENGTH_MAX,
        pattern=whole("https?://[!-~]+"),
        description="https, on port 443 or 8443, of a host on the Internet.",
    ),
]
Types = Annotated[list[EventType], Meta(min_length=1, max_length=2 * len(TOLD))]


class CreateEndpoint(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Without a show: all shows of yours, also later ones (an admin's: everybody's)."""

    url: Address
    event_types: Types
    show_id: UUID | None = None


class ChangeEndpoint(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Only what is sent changes."""

    url: Address | UnsetType = UNSET
    event_types: Types | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class RotateSecret(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """For how long older secrets sign beside the new one; 0: they end now."""

    overlap_hours: Annotated[int, Meta(ge=0, le=OVERLAP_HOURS_MAX)] = OVERLAP_HOURS_DEFAULT


class Nothing(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A body that may be left out, and says nothing when it is there."""
