"""Categories, fees and taxes in bodies. Amounts in minor units, rates in basis points."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from catalog.bounds import LINE, PRICE_MAX
from chassis.http.bodies import full_match

CATEGORIES_MAX = 20
FEES_MAX = 10
TAXES_MAX = 5
TICKETS_AN_ORDER_MAX = 20

Key = Annotated[
    str,
    Meta(min_length=1, max_length=20, pattern=full_match(r"[a-z0-9_-]+"), examples=["child"]),
]
Label = Annotated[str, Meta(min_length=1, max_length=60, pattern=LINE)]
Proof = Annotated[str, Meta(min_length=1, max_length=200, pattern=LINE)]
Amount = Annotated[int, Meta(ge=0, le=PRICE_MAX)]
Rate = Annotated[int, Meta(ge=0, le=10_000)]


class AreaPrice(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`area`: the name of one of the session's areas."""

    area: Annotated[str, Meta(min_length=1, max_length=100)]
    price: Amount


class PriceCategory(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True
):
    """Whom a ticket is for. The first category has the areas' own prices, so it has no `prices` and no
    `percent`. Every other has one of the two.

    `prices`: in some areas; the category is not offered in others. `percent`: of each area's price, rounded
    half up. `max_per_order`: how many of an order's tickets may be of it. `proof`: what has to be shown at
    the door; it is printed on the ticket.
    """

    key: Key
    name: Label
    prices: Annotated[list[AreaPrice], Meta(min_length=1, max_length=500)] | None = None
    percent: Annotated[int, Meta(ge=0, le=100)] | None = None
    max_per_order: Annotated[int, Meta(ge=1, le=TICKETS_AN_ORDER_MAX)] | None = None
    proof: Proof | None = None


class Fee(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True
):
    """`per`: once for each ticket, or once for each order. Either `amount`, or `basis_points` of what is paid
    for the ticket itself. A ticket for which nothing is paid bears no fee.

    `borne_by`: `buyer`, on top of the price and shown with it; `organizer`, out of the price, and shown in
    reports. `refunded`: `with_ticket`, its part goes back with each refunded ticket; `when_cancelled`, only
    if the session is cancelled. Left out, a fee per ticket goes back with it, and one per order does not.
    """

    key: Key
    name: Label
    per: Literal["ticket", "order"]
    amount: Annotated[int, Meta(ge=1, le=PRICE_MAX)] | None = None
    basis_points: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    borne_by: Literal["buyer", "organizer"] = "buyer"
    refunded: Literal["with_ticket", "when_cancelled"] | None = None


class Tax(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True
):
    """A tax that prices include. `rate`: of the amount without tax. `on`: what it is part of."""

    name: Label
    rate: Rate
    on: Literal["all", "tickets", "fees"] = "all"


PriceCategories = Annotated[list[PriceCategory], Meta(max_length=CATEGORIES_MAX)]
Fees = Annotated[list[Fee], Meta(max_length=FEES_MAX)]
Taxes = Annotated[list[Tax], Meta(max_length=TAXES_MAX)]


class Sheet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session's categories, fees and taxes, as its organizer wrote them."""

    price_categories: list[PriceCategory] = []
    fees: list[Fee] = []
    taxes: list[Tax] = []


class CategoryAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A category that a session sells. What it costs is said of each area."""

    key: str
    name: str
    max_per_order: int | None = None
    proof: str | None = None


class AreaCategory(msgspec.Struct, frozen=True):
    """`price`: of the ticket alone. `total_price`: what an order of one costs."""

    category: str
    price: int
    total_price: int
