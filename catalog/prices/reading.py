"""A stored price sheet as booking's terms, and as what buyers and organizers read."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from catalog.prices.wire import AreaCategory, CategoryAnswer, Fee, PriceCategory, Sheet, Tax
from contracts.prices import CategoryTerms, FeeTerms, PriceTerms, Refunded, TaxTerms, rounded

_SHEET = msgspec.json.Decoder(Sheet)
PER_CENT = 100


class Area(Protocol):
    """A row with `name` and `price`."""

    def __getitem__(self, name: str, /) -> Any: ...


def sheet_of(text: str | None) -> Sheet:
    """From the column; a session without one has an empty sheet."""
    return Sheet() if text is None else _SHEET.decode(text)


def terms_of(sheet: Sheet, areas: Sequence[Area]) -> PriceTerms | None:
    """`areas`: `name` and `price` of the session's areas, in order. None: an area's price is all there is."""
    if sheet == Sheet():
        return None
    return PriceTerms(
        categories=[
            CategoryTerms(
                key=category.key,
                name=category.name,
                prices=_prices(category, areas),
                max_per_order=category.max_per_order,
                proof=category.proof,
            )
            for category in sheet.price_categories
        ],
        fees=[_fee(fee) for fee in sheet.fees],
        taxes=[TaxTerms(tax.name, tax.rate, tax.on) for tax in sheet.taxes],
    )


def price_from(terms: PriceTerms | None, areas: Sequence[Area]) -> int:
    """The least that an order costs, in the first category."""
    return min(_whole(terms, area["price"]) for area in areas)


def answered(sheet: Sheet, areas: Sequence[Area], *, to_organizer: bool) -> "PricesAnswered":
    """What a session's answer says of its prices."""
    terms = terms_of(sheet, areas)
    return PricesAnswered(
        total_prices=[_whole(terms, area["price"]) for area in areas],
        area_categories=[_area_categories(terms, place) for place in range(len(areas))],
        price_categories=[
            CategoryAnswer(one.key, one.name, one.max_per_order, one.proof)
            for one in sheet.price_categories
        ],
        fees=[fee for fee in sheet.fees if to_organizer or fee.borne_by == "buyer"],
        taxes=sheet.taxes,
    )


class PricesAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """`total_prices` and `area_categories`: for each area, in order."""

    total_prices: list[int]
    area_categories: list[list[AreaCategory]]
    price_categories: list[CategoryAnswer]
    fees: list[Fee]
    taxes: list[Tax]


def _prices(category: PriceCategory, areas: Sequence[Area]) -> list[int | None]:
    if category.prices is not None:
        named = {one.area: one.price for one in category.prices}
        return [named.get(area["name"]) for area in areas]
    percent = PER_CENT if category.percent is None else category.percent
    return [rounded(area["price"] * percent, PER_CENT) for area in areas]


def _fee(fee: Fee) -> FeeTerms:
    usual: Refunded = "with_ticket" if fee.per == "ticket" else "when_cancelled"
    return FeeTerms(
        key=fee.key,
        name=fee.name,
        per=fee.per,
        refunded=fee.refunded or usual,
        amount=fee.amount,
        basis_points=fee.basis_points,
        borne_by=fee.borne_by,
    )


def _area_categories(terms: PriceTerms | None, place: int) -> list[AreaCategory]:
    if terms is None:
        return []
    prices = [(category.key, category.prices[place]) for category in terms.categories]
    return [
        AreaCategory(key, price, terms.whole_price(price))
        for key, price in prices
        if price is not None
    ]


def _whole(terms: PriceTerms | None, price: int) -> int:
    return price if terms is None else terms.whole_price(price)
