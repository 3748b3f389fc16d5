"""What people were told about orders, for booking: it looks for orders that it has lost."""

from uuid import UUID

from chassis.ids import eldest_since
from chassis.postgres.pool import Pool
from chassis.problems import NotFound
from contracts.notification import MESSAGES_PAGE_MAX, MessagePage, MessageSpan
from notification.messages import store


async def messages_of_orders(pool: Pool, span: MessageSpan) -> MessagePage:
    """By the time in a message's id, so that each page is found by the key."""
    found = await store.list_order_messages(
        pool,
        after=span.after or eldest_since(span.since.timestamp()),
        until=eldest_since(span.until.timestamp()),
        limit=MESSAGES_PAGE_MAX,
    )
    return MessagePage(found)


async def receipt_of(pool: Pool, order_id: UUID) -> bytes:
    """The data of the `order.paid` whose receipt was planned, as JSON. Raises NotFound."""
    found = await store.get_receipt(pool, order_id)
    if found is None:
        raise NotFound()
    return found
