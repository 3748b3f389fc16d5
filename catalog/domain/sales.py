"""What the sales of a show's sessions, taken together, are to somebody who looks at a list of shows."""

from collections.abc import Collection
from typing import Literal

SaleStatus = Literal["draft", "scheduled", "on_sale", "sold_out", "closed", "cancelled"]
SaleState = Literal["upcoming", "open", "sold_out", "closed"]

# The first of these that one of the sessions has decides: what can be bought now is worth more than
# what can be bought later, and that more than what is gone. A draft has no sale yet.
_STATES: tuple[tuple[SaleStatus, SaleState], ...] = (
    ("on_sale", "open"),
    ("scheduled", "upcoming"),
    ("sold_out", "sold_out"),
    ("closed", "closed"),
    ("cancelled", "closed"),
    ("draft", "upcoming"),
)


def sale_state(statuses: Collection[str]) -> SaleState:
    """Of a show with sessions of these statuses; without any, its sale is still to come."""
    return next((state for status, state in _STATES if status in statuses), "upcoming")
