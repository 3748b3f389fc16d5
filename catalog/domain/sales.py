"""The state of a show's sale as a list of shows presents it, from all its sessions."""

from collections.abc import Collection
from typing import Literal

SaleStatus = Literal["draft", "scheduled", "on_sale", "sold_out", "closed", "cancelled"]
SaleState = Literal["upcoming", "open", "sold_out", "closed"]

# The first status that one of the sessions has decides. Tickets on sale now come before a sale that
# opens later, and this comes before a sale that is over. A draft has no sale yet.
_STATES: tuple[tuple[SaleStatus, SaleState], ...] = (
    ("on_sale", "open"),
    ("scheduled", "upcoming"),
    ("sold_out", "sold_out"),
    ("closed", "closed"),
    ("cancelled", "closed"),
    ("draft", "upcoming"),
)


def sale_state(statuses: Collection[str]) -> SaleState:
    """The state of a show whose sessions have these statuses. Without sessions its sale is still to
    come."""
    return next((state for status, state in _STATES if status in statuses), "upcoming")
