"""Constraint name → what it means to a caller. One table; a test holds it against the schema."""

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
    TicketLimitReached,
)
from chassis.postgres.pool import ROLLED_BACK
from chassis.problems import IdempotencyInFlight, IdempotencyKeyReused, Overloaded

REFUSED = "ST001"  # SQLSTATE of refuse() in the migration


class SeatsRefused(Exception):
    """PostgreSQL says that somebody has one of the seats, whatever Redis thought."""


class KeyTaken(Exception):
    """An order with this user's idempotency key is there already."""


RULES: dict[str, Callable[[], Exception]] = {
    "seat_claims_all_or_none": SeatsRefused,
    "seat_claims_one_owner_per_seat": SeatsRefused,
    "tickets_one_valid_per_seat": SeatsRefused,
    "orders_not_before_sale": SaleNotOpen,
    "orders_not_after_sale": SaleClosed,
    "orders_one_per_idempotency_key": KeyTaken,
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
    """What the violated rule means; None when it is a bug or trouble rather than a refusal."""
    rule = RULES.get(getattr(error, "constraint_name", None) or "")
    return rule() if rule is not None else None


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Round a transaction: what PostgreSQL refuses is raised as what it means, a bug as it is."""
    try:
        yield
    except ROLLED_BACK:
        raise Overloaded("The database is too busy.") from None
    except asyncpg.PostgresError as error:
        raise refusal(error) or error from None
