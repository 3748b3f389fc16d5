"""Managing webhook endpoints: organizers their own, admins all.

Another user's endpoint or delivery is NotFound. Functions with a connection run in the given transaction;
checks that need the network (OutsideChecks) run before it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from msgspec import UNSET

from chassis.auth.tokens import Principal
from chassis.context import current
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool
from chassis.problems import FieldError, NotFound, ValidationFailed
from chassis.seam.client import ServiceClient
from contracts.catalog import SHOW_PATH, ShowTerms
from notification.webhooks import store
from notification.webhooks.addresses import BadDestination
from notification.webhooks.connecting import Destinations
from notification.webhooks.payloads import PING, ping
from notification.webhooks.problems import EndpointInactive, TooManyEndpoints
from notification.webhooks.signing import new_secret
from notification.webhooks.store import EndpointRow
from notification.webhooks.wire import (
    ChangeEndpoint,
    CreateEndpoint,
    Delivery,
    Endpoint,
    NewEndpoint,
    NewSecret,
    RotateSecret,
    shown,
    shown_delivery,
    shown_with_secret,
    whole_seconds,
)

ENDPOINTS_MAX = 20  # of one owner
SECRETS_MAX = 3  # that sign at the same time

log = logs.get("notification")


class OutsideChecks:
    """Checks with other systems, before an endpoint is created or changed."""

    def __init__(self, destinations: Destinations, catalog: ServiceClient) -> None:
        self._destinations = destinations
        self._catalog = catalog

    async def url(self, text: str) -> str:
        """The normalised URL. Raises ValidationFailed."""
        try:
            return str(await self._destinations.check(text))
        except BadDestination as bad:
            raise ValidationFailed(errors=[FieldError("url", str(bad))]) from None

    async def show(self, who: Principal, show_id: UUID) -> None:
        """Raises ValidationFailed unless the show exists and is theirs; one message for both."""
        show = await self._catalog.get(SHOW_PATH.format(show_id=show_id), ShowTerms)
        if show is None or not who.may_manage(show.organizer_id):
            raise ValidationFailed(errors=[FieldError("show_id", "is not one of your shows")])


async def create_endpoint(tx: Connection, who: Principal, body: CreateEndpoint) -> NewEndpoint:
    """`body` has passed the OutsideChecks. Raises TooManyEndpoints."""
    if await store.count_own(tx, who.user_id) >= ENDPOINTS_MAX:
        raise TooManyEndpoints(f"The maximum is {ENDPOINTS_MAX}.")
    secret = new_secret()
    row = await store.insert_endpoint(
        tx,
        secret,
        endpoint_id=uuid7(),
        owner_id=who.user_id,
        all_shows=who.is_admin and body.show_id is None,
        show_id=body.show_id,
        url=body.url,
        event_types=_each_once(body.event_types),
    )
    log.info("webhook_endpoint_created", endpoint=row.endpoint_id)
    return shown_with_secret(row, secret)


async def change_endpoint(
    tx: Connection, who: Principal, endpoint_id: UUID, body: ChangeEndpoint
) -> Endpoint:
    """`body.url` has passed the OutsideChecks."""
    await _lock(tx, who, endpoint_id)
    row = await store.change_endpoint(
        tx,
        endpoint_id,
        url=None if body.url is UNSET else body.url,
        event_types=None if body.event_types is UNSET else _each_once(body.event_types),
        active=None if body.active is UNSET else body.active,
    )
    log.info("webhook_endpoint_changed", endpoint=endpoint_id, active=row.active)
    return shown(row)


async def rotate_secret(
    tx: Connection, who: Principal, endpoint_id: UUID, body: RotateSecret
) -> NewSecret:
    """Creates a new secret that signs from now on. Older secrets also sign until the overlap ends."""
    await _lock(tx, who, endpoint_id)
    secret = new_secret()
    until = await store.replace_secret(
        tx, endpoint_id, secret, overlap_hours=body.overlap_hours, most=SECRETS_MAX
    )
    log.info("webhook_secret_rotated", endpoint=endpoint_id, overlap=f"{body.overlap_hours}h")
    whole = whole_seconds(until)
    assert whole is not None, "a given time has a result"
    return NewSecret(endpoint_id, secret, whole)


async def send_test(tx: Connection, who: Principal, endpoint_id: UUID) -> Delivery:
    """Plans a ping to this endpoint only. Raises EndpointInactive."""
    row = await _lock(tx, who, endpoint_id)
    if not row.active:
        raise EndpointInactive()
    event = ping(endpoint_id, row.event_types, datetime.now(UTC), current().request_id)
    await store.insert_test(
        tx,
        event_id=event.id,
        type=PING,
        request_id=event.requestid,
        happened_at=event.time,
        body=msgspec.json.encode(event).decode(),
    )
    (delivery_id,) = await store.insert_deliveries(tx, [(endpoint_id, event.id)])
    return await _found_delivery(tx, who, delivery_id)


async def resend(tx: Connection, who: Principal, delivery_id: UUID) -> Delivery:
    """Makes the delivery due now, with a new schedule and the same webhook-id. Raises EndpointInactive."""
    found = await store.delivery(tx, delivery_id, who.owner_filter)
    if found is None:
        raise NotFound()
    if not found.active:
        raise EndpointInactive()
    await store.send_again(tx, delivery_id)
    log.info("webhook_resent", endpoint=found.row.endpoint_id, delivery=delivery_id)
    return await _found_delivery(tx, who, delivery_id)


async def _lock(tx: Connection, who: Principal, endpoint_id: UUID) -> EndpointRow:
    row = await store.lock_endpoint(tx, endpoint_id, who.owner_filter)
    if row is None:
        raise NotFound()
    return row


async def _found_delivery(tx: Connection, who: Principal, delivery_id: UUID) -> Delivery:
    found = await store.delivery(tx, delivery_id, who.owner_filter)
    if found is None:
        raise NotFound()
    return shown_delivery(found.row)


def _each_once(types: Sequence[str]) -> list[str]:
    return sorted(set(types))


async def remove(pool: Pool, who: Principal, endpoint_id: UUID) -> None:
    """Deletes the endpoint and its deliveries, including pending ones. Raises NotFound."""
    if not await store.delete_endpoint(pool, endpoint_id, who.owner_filter):
        raise NotFound()
    log.info("webhook_endpoint_deleted", endpoint=endpoint_id)
