"""Maps constraint names to errors. A test compares the table with the schema."""

import contextlib
from collections.abc import Callable, Iterator

import asyncpg

from booking.domain.problems import (
    CoolingDown,
    PaymentInProgress,
    PromoCodeLimitReached,
    PromoCodeTaken,
    PromoCodeUsedUp,
    SaleClosed,
    SaleNotOpen,
    SalePaused,
    TicketLimitReached,
)
from chassis.postgres.pool import ROLLED_BACK
from chassis.problems import IdempotencyInFlight, IdempotencyKeyReused, Overloaded

REFUSED = "ST001"  # SQLSTATE of refuse() in the migration


class SeatsRefused(Exception):
    """PostgreSQL says that one of the seats is taken, although Redis had it free."""


class KeyTaken(Exception):
    """An order with this user's idempotency key exists."""


RULES: dict[str, Callable[[], Exception]] = {
    "seat_claims_all_or_none": SeatsRefused,
    "seat_claims_one_owner_per_seat": SeatsRefused,
    "tickets_one_valid_per_seat": SeatsRefused,
    "orders_not_before_sale": SaleNotOpen,
    "orders_not_after_sale": SaleClosed,
    "orders_not_while_paused": SalePaused,
    "order_keys_one_per_user": KeyTaken,
    "orders_one_per_idempotency_key": KeyTaken,  # of orders that an older release has placed
    "user_tallies_within_cap": TicketLimitReached,
    "user_tallies_not_churning": CoolingDown,
    "promo_codes_one_per_show": PromoCodeTaken,
    "promo_codes_within_uses": PromoCodeUsedUp,
    "promo_tallies_within_cap": PromoCodeLimitReached,
    "payments_one_live_per_order": PaymentInProgress,
    "payments_one_per_idempotency_key": IdempotencyInFlight,
    "check_ins_one_per_idempotency_key": IdempotencyKeyReused,
}


def refusal(error: asyncpg.PostgresError) -> Exception | None:
    """The error for the violated constraint; None if it is a bug or an outage, not a refusal."""
    rule = RULES.get(getattr(error, "constraint_name", None) or "")
    return rule() if rule is not None else None


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Use around a transaction: raises PostgreSQL's refusals as their errors; other errors unchanged."""
    try:
        yield
    except ROLLED_BACK:
        raise Overloaded("The database is too busy.") from None
    except asyncpg.PostgresError as error:
        raise refusal(error) or error from None
