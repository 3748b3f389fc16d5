"""What an order costs does not depend on how many older ones there are (docs/adr/0087)."""

import asyncpg

from runtime.services import MIGRATIONS

# Rows of an index that begins with somebody's id lie at random: once it is large, each new row logs a
# whole page.
BEGIN_WITH_SOMEBODY = """
SELECT n.nspname || '.' || i.relname
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace
JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
WHERE n.nspname = ANY($1) AND a.attname LIKE '%user_id'
"""
FEW = "as many rows as there are staff, accounts or logins, not orders"
FORGOTTEN = "rows are kept for hours or days"
FINE = {
    "booking.order_keys_one_per_user": FORGOTTEN,
    "booking.idempotency_keys_pkey": FORGOTTEN,
    "catalog.idempotency_keys_pkey": FORGOTTEN,
    "notification.idempotency_keys_pkey": FORGOTTEN,
    "booking.promo_misses_of_user": FORGOTTEN,
    "booking.recipient_misses_of_user": FORGOTTEN,
    "identity.password_resets_pkey": FORGOTTEN,
    "identity.accounts_pkey": FEW,
    "identity.logins_by_user": FEW,
    "identity.registrations_by_user": FEW,
    "booking.door_staff_of_user": FEW,
    "booking.house_staff_once": FEW,
    "booking.check_ins_one_per_idempotency_key": "of staff, who scan thousands each",
    "booking.orders_one_per_idempotency_key": "has had no new order since 0017",
}


async def test_no_index_takes_orders_at_random(database_url: str) -> None:
    db = await asyncpg.connect(database_url)
    found = {row[0] for row in await db.fetch(BEGIN_WITH_SOMEBODY, list(MIGRATIONS))}
    await db.close()
    assert found <= FINE.keys()


# An id that others give is no time either: it may only follow one of ours that is.
BEGIN_WITH_FOREIGN_IDS = """
SELECT i.relname
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname = 'booking' AND t.relname = 'provider_events'
  AND pg_get_indexdef(x.indexrelid) !~ '\\(payment_id, '
"""


async def test_no_index_takes_what_providers_tell_at_random(database_url: str) -> None:
    db = await asyncpg.connect(database_url)
    assert await db.fetch(BEGIN_WITH_FOREIGN_IDS) == []
    async with db.transaction():
        await db.execute("CREATE INDEX at_random ON booking.provider_events (event_id)")
        assert [row[0] for row in await db.fetch(BEGIN_WITH_FOREIGN_IDS)] == ["at_random"]
        await db.execute("DROP INDEX booking.at_random")
    await db.close()
