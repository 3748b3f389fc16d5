"""Rules of a price sheet that types cannot express. Each error names its field."""

from collections.abc import Iterator, Sequence

from catalog.prices.wire import Fee, PriceCategory, Sheet
from chassis.problems import FieldError

Findings = Iterator[FieldError]


def sheet(given: Sheet) -> Findings:
    """What holds whatever areas the session has."""
    yield from _unique("price_categories", "key", [one.key for one in given.price_categories])
    yield from _unique("price_categories", "name", [one.name for one in given.price_categories])
    for index, category in enumerate(given.price_categories):
        path = f"price_categories.{index}"
        yield from _other(path, category) if index else _first(path, category)
    yield from _unique("fees", "key", [one.key for one in given.fees])
    for index, fee in enumerate(given.fees):
        yield from _fee(f"fees.{index}", fee)
    yield from _unique("taxes", "name", [one.name for one in given.taxes])


def areas_of(given: Sheet, names: Sequence[str]) -> Findings:
    """A price is for an area that the session has. `names`: of all its areas."""
    known = set(names)
    for index, category in enumerate(given.price_categories):
        for place, priced in enumerate(category.prices or ()):
            if priced.area not in known:
                path = f"price_categories.{index}.prices.{place}.area"
                yield FieldError(path, "is no area of this session")


def _first(path: str, category: PriceCategory) -> Findings:
    """An order without categories buys it, anywhere and as many as it likes."""
    for name in ("prices", "percent", "max_per_order"):
        if getattr(category, name) is not None:
            text = "must not be given for the first category, which has the areas' own prices"
            yield FieldError(f"{path}.{name}", text)


def _other(path: str, category: PriceCategory) -> Findings:
    if (category.prices is None) == (category.percent is None):
        yield FieldError(f"{path}.prices", "give either prices or percent")
    yield from _unique(f"{path}.prices", "area", [one.area for one in category.prices or ()])


def _fee(path: str, fee: Fee) -> Findings:
    if (fee.amount is None) == (fee.basis_points is None):
        yield FieldError(f"{path}.amount", "give either amount or basis_points")
    if fee.borne_by == "organizer" and fee.refunded is not None:
        yield FieldError(f"{path}.refunded", "must not be given for a fee that no buyer pays")


def _unique(path: str, name: str, values: Sequence[str]) -> Findings:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield FieldError(f"{path}.{index}.{name}", "is used twice")
        seen.add(value)
