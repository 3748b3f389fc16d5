"""Which category each ticket of an order is of. Refuses what is not offered, before anything is held."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated
from uuid import UUID

import msgspec

from booking.domain.order import SEATS_PER_ORDER_MAX
from chassis.problems import FieldError, ValidationFailed
from contracts.booking import OrderItem
from contracts.catalog import AreaTerms, SessionTerms
from contracts.prices import CategoryTerms, PriceTerms


class CategoryChoice(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """So many of the order's tickets are of this category. `category`: its key."""

    category: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=SEATS_PER_ORDER_MAX)]


CategoryChoices = Annotated[
    list[CategoryChoice], msgspec.Meta(min_length=1, max_length=SEATS_PER_ORDER_MAX)
]


def choose(
    choices: Sequence[CategoryChoice], terms: SessionTerms, areas: Sequence[AreaTerms]
) -> list[CategoryTerms]:
    """One a ticket, in the order of the choices. `areas`: one a ticket, in the same order. Raises
    ValidationFailed."""
    known = {category.key: category for category in _categories(terms)}
    if not known:
        raise _refused("categories", "this session has no price categories")
    errors = list(_unknown(choices, known))
    tickets = [place for place, choice in enumerate(choices) for _ in range(choice.quantity)]
    if len(tickets) != len(areas):
        errors.append(FieldError("categories", f"must add up to {len(areas)} tickets"))
    if not errors:
        errors += _too_many(choices, known)
        errors += _not_offered(choices, known, terms, list(zip(tickets, areas, strict=True)))
    if errors:
        raise ValidationFailed(errors=errors)
    return [known[choices[place].category] for place in tickets]


def is_offered(choices: Sequence[CategoryChoice], terms: SessionTerms, area: AreaTerms) -> bool:
    """Whether each of these that the session has is sold in this area."""
    place = next(place for place, one in enumerate(terms.areas) if one.area_id == area.area_id)
    wanted = {choice.category for choice in choices}
    return all(
        category.prices[place] is not None
        for category in _categories(terms)
        if category.key in wanted
    )


def with_categories(
    items: Sequence[OrderItem],
    prices: PriceTerms,
    areas: Sequence[AreaTerms],
    chosen: Sequence[CategoryTerms],
) -> list[OrderItem]:
    """The items at the prices of their categories. `chosen`: one an item; none, and all are of the first."""
    if not prices.categories:
        return list(items)
    place_of = {area.area_id: place for place, area in enumerate(areas)}
    chosen = chosen or [prices.categories[0]] * len(items)
    return [
        msgspec.structs.replace(
            item,
            price=_price(category, place_of[item.area_id]),
            category=category.key,
            category_name=category.name,
            proof=category.proof,
        )
        for item, category in zip(items, chosen, strict=True)
    ]


def _categories(terms: SessionTerms) -> Sequence[CategoryTerms]:
    return terms.prices.categories if terms.prices is not None else ()


def _unknown(
    choices: Sequence[CategoryChoice], known: dict[str, CategoryTerms]
) -> Iterator[FieldError]:
    for place, choice in enumerate(choices):
        if choice.category not in known:
            yield FieldError(
                f"categories.{place}.category", "is not a category that this session sells"
            )


def _too_many(
    choices: Sequence[CategoryChoice], known: dict[str, CategoryTerms]
) -> Iterator[FieldError]:
    so_far: Counter[str] = Counter()
    for place, choice in enumerate(choices):
        most = known[choice.category].max_per_order
        so_far[choice.category] += choice.quantity
        if most is not None and so_far[choice.category] > most:
            yield FieldError(
                f"categories.{place}.quantity", f"an order has at most {most} of this category"
            )


def _not_offered(
    choices: Sequence[CategoryChoice],
    known: dict[str, CategoryTerms],
    terms: SessionTerms,
    tickets: Sequence[tuple[int, AreaTerms]],
) -> Iterator[FieldError]:
    """`tickets`: the choice that each is of, and its area."""
    place_of: dict[UUID, int] = {area.area_id: place for place, area in enumerate(terms.areas)}
    refused: set[tuple[int, str]] = set()
    for choice, area in tickets:
        if known[choices[choice].category].prices[place_of[area.area_id]] is None:
            refused.add((choice, area.name))
    for choice, name in sorted(refused):
        yield FieldError(f"categories.{choice}.category", f"is not sold in the area {name}")


def _price(category: CategoryTerms, place: int) -> int:
    price = category.prices[place]
    if price is None:
        raise LookupError(f"category {category.key} has no price in area {place}")
    return price


def _refused(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(errors=[FieldError(field, message)])
