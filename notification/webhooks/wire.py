"""Request and response bodies of webhook endpoints and deliveries."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chassis.http.bodies import full_match
from notification.webhooks.addresses import URL_LENGTH_MAX
from notification.webhooks.payloads import TOLD, EventType
from notification.webhooks.store import DeliveryRow, EndpointRow, SentDelivery

OVERLAP_HOURS_DEFAULT = 24
OVERLAP_HOURS_MAX = 168

Address = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=URL_LENGTH_MAX,
        pattern=full_match("https?://[!-~]+"),
        description="An https URL of a public host, on port 443 or 8443.",
    ),
]
Types = Annotated[list[EventType], Meta(min_length=1, max_length=2 * len(TOLD))]


class CreateEndpoint(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Without `show_id`: all your shows, including future ones; for an admin, all shows of all users."""

    url: Address
    event_types: Types
    show_id: UUID | None = None


class ChangeEndpoint(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Only the given fields change."""

    url: Address | UnsetType = UNSET
    event_types: Types | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class RotateSecret(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`overlap_hours`: how long older secrets also sign; with 0 they end now."""

    overlap_hours: Annotated[int, Meta(ge=0, le=OVERLAP_HOURS_MAX)] = OVERLAP_HOURS_DEFAULT


class Nothing(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """An empty, optional body."""


DeliveryStatus = Literal["pending", "delivered", "failed"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`disabled_reason` is why the platform deactivated it: `gone` (the receiver answered 410) or `failing`.
    `failing_since`: no delivery has succeeded since then."""

    endpoint_id: UUID
    owner_id: UUID
    show_id: UUID | None
    url: str
    event_types: list[str]
    active: bool
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime
    changed_at: datetime


class NewEndpoint(Endpoint, frozen=True, kw_only=True):
    """`secret` is shown only once."""

    secret: str


class EndpointList(msgspec.Struct, frozen=True):
    endpoints: list[Endpoint]
    page: int
    page_size: int
    total: int


class NewSecret(msgspec.Struct, frozen=True):
    """`secret` is shown only once; older ones also sign until `overlap_until`."""

    endpoint_id: UUID
    secret: str
    overlap_until: datetime


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """`webhook_id` is the header webhook-id that the receiver gets: the event's id, the same in every
    attempt. `attempts` counts since the delivery was created or last resent. `last_*` describe the last
    attempt that ended. `response` is the beginning of the receiver's response."""

    delivery_id: UUID
    endpoint_id: UUID
    webhook_id: UUID
    event_type: str
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    last_latency_ms: int | None
    response: str | None
    created_at: datetime
    ended_at: datetime | None


class DeliveryInFull(Delivery, frozen=True, kw_only=True):
    """`payload` is the exact body that is sent."""

    payload: str


class DeliveryList(msgspec.Struct, frozen=True):
    """Newest first. `total` is at most 100,000."""

    deliveries: list[Delivery]
    page: int
    page_size: int
    total: int


def shown(row: EndpointRow) -> Endpoint:
    return Endpoint(**_endpoint(row))


def shown_with_secret(row: EndpointRow, secret: str) -> NewEndpoint:
    return NewEndpoint(**_endpoint(row), secret=secret)


def shown_delivery(row: DeliveryRow) -> Delivery:
    return Delivery(**_delivery(row))


def shown_in_full(sent: SentDelivery) -> DeliveryInFull:
    return DeliveryInFull(**_delivery(sent.row), payload=sent.body)


def _endpoint(row: EndpointRow) -> dict[str, Any]:
    values = msgspec.structs.asdict(row)
    for name in ("failing_since", "created_at", "changed_at"):
        values[name] = whole_seconds(values[name])
    return values


def _delivery(row: DeliveryRow) -> dict[str, Any]:
    return {
        "delivery_id": row.delivery_id,
        "endpoint_id": row.endpoint_id,
        "webhook_id": row.event_id,
        "event_type": row.type,
        "status": row.state,
        "attempts": row.attempts,
        "next_attempt_at": whole_seconds(row.next_attempt),
        "last_attempt_at": whole_seconds(row.last_attempt_at),
        "last_status": row.last_status,
        "last_error": row.last_error,
        "last_latency_ms": row.last_latency_ms,
        "response": row.last_response,
        "created_at": whole_seconds(row.created_at),
        "ended_at": whole_seconds(row.ended_at),
    }


def whole_seconds(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(microsecond=0)
