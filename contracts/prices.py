"""What a ticket costs beyond its area's price: categories, fees and tax. docs/prices.md has examples.

Amounts are in minor units of the session's currency, rates in basis points (1/100 of a per cent). Catalog and
booking must come to the same prices, so the arithmetic that both need is here. Three rules:

- A percentage is taken of one ticket and rounded half up. Orders add up tickets, and round nothing again.
- What there is once in an order, a fixed fee per order or a discount, is divided over its tickets in
  proportion to their prices, by the largest remainder.
- A ticket for which nothing is paid bears no fee.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

WHOLE = 10_000  # basis points

FeePer = Literal["ticket", "order"]
BorneBy = Literal["buyer", "organizer"]
Refunded = Literal["with_ticket", "when_cancelled"]
TaxedOn = Literal["all", "tickets", "fees"]


class CategoryTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a ticket is for. The first category of a session is what an order without categories buys.

    prices: one for each of the session's areas, in their order; None where the category is not offered.
    proof: what has to be shown at the door.
    """

    key: str
    name: str
    prices: list[int | None]
    max_per_order: int | None = None
    proof: str | None = None


class FeeTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fee: either `amount`, or `basis_points` of what is paid for the ticket itself.

    borne_by: the buyer pays it on top; the organizer has it taken out of the price.
    refunded: with_ticket, its part goes back with each ticket; when_cancelled, only if the session is.
    """

    key: str
    name: str
    per: FeePer
    refunded: Refunded
    amount: int | None = None
    basis_points: int | None = None
    borne_by: BorneBy = "buyer"

    def of_ticket(self, paid: int) -> int:
        """For a ticket that is paid this much for; of a fixed fee per order, all of it."""
        if paid == 0:
            return 0
        if self.basis_points is not None:
            return rounded(paid * self.basis_points, WHOLE)
        return self.amount or 0


class TaxTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tax that prices include. `rate`: of the amount without tax."""

    name: str
    rate: int
    on: TaxedOn = "all"


class PriceTerms(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a session's tickets cost beyond its areas' prices."""

    categories: list[CategoryTerms] = []
    fees: list[FeeTerms] = []
    taxes: list[TaxTerms] = []

    def whole_price(self, price: int) -> int:
        """What an order of one ticket of this price costs. An order of several never costs more than the
        sum of these."""
        return price + sum(fee.of_ticket(price) for fee in self.fees if fee.borne_by == "buyer")


def rounded(numerator: int, denominator: int) -> int:
    """The quotient to the nearest whole, halves up. Neither is negative."""
    return (2 * numerator + denominator) // (2 * denominator)


def divide(amount: int, weights: Sequence[int]) -> list[int]:
    """The amount in whole parts in proportion to the weights: each is rounded down, and what is left
    goes, one
    each, to those with the largest remainders, of equal ones to the earlier. All 0 where all weights are."""
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    parts = [amount * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda n: -(amount * weights[n] % whole))
    for place in by_remainder[: amount - sum(parts)]:
        parts[place] += 1
    return parts
