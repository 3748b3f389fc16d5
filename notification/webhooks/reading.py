"""Reading endpoints and deliveries: organizers their own, admins all. Another user's are NotFound."""

from uuid import UUID

from chassis.auth.tokens import Principal
from chassis.postgres.pool import Pool, connection
from chassis.problems import NotFound
from notification.webhooks import store
from notification.webhooks.wire import (
    DeliveryInFull,
    DeliveryList,
    DeliveryStatus,
    Endpoint,
    EndpointList,
    shown,
    shown_delivery,
    shown_in_full,
)


async def list_endpoints(pool: Pool, who: Principal, page: int, page_size: int) -> EndpointList:
    """Newest first."""
    rows, total = await store.list_endpoints(pool, who.owner_filter, page, page_size)
    return EndpointList([shown(row) for row in rows], page, page_size, total)


async def get_endpoint(pool: Pool, who: Principal, endpoint_id: UUID) -> Endpoint:
    async with connection(pool) as db:
        row = await store.endpoint(db, endpoint_id, who.owner_filter)
    if row is None:
        raise NotFound()
    return shown(row)


async def list_deliveries(
    pool: Pool,
    who: Principal,
    endpoint_id: UUID,
    *,
    status: DeliveryStatus | None,
    page: int,
    page_size: int,
) -> DeliveryList:
    """Newest first."""
    async with connection(pool) as db:
        if await store.endpoint(db, endpoint_id, who.owner_filter) is None:
            raise NotFound()
        rows, total = await store.list_deliveries(db, endpoint_id, status, page, page_size)
    return DeliveryList([shown_delivery(row) for row in rows], page, page_size, total)


async def get_delivery(pool: Pool, who: Principal, delivery_id: UUID) -> DeliveryInFull:
    """The delivery with the body that is sent."""
    async with connection(pool) as db:
        found = await store.delivery(db, delivery_id, who.owner_filter)
    if found is None:
        raise NotFound()
    return shown_in_full(found)
