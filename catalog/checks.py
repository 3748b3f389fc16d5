"""Rules between fields of organizers' requests. Each error names its field."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain, islice
from typing import Any
from zoneinfo import available_timezones

from babel.core import get_global
from msgspec import UnsetType

from catalog.domain.plan import Row
from catalog.domain.searching import YEAR_MAX, YEAR_MIN
from catalog.prices import checks as price_checks
from catalog.prices.organizing import sheet_in
from catalog.wire import (
    SEATS_A_SESSION_MAX,
    AreaOfSeats,
    ChangeSession,
    CreateSession,
    RefundTerms,
    RowOfSeats,
    SectionPrice,
)
from chassis.problems import FieldError, ValidationFailed

ERRORS_MAX = 100  # errors in one answer
# An exhibition sells tickets while it is open. A sale that ends years later is a typing error.
SALE_AFTER_START_MAX = timedelta(days=366)

Findings = Iterator[FieldError]


def refuse(*findings: Findings) -> None:
    """Raises ValidationFailed with all errors, if there are any."""
    errors = list(islice(chain.from_iterable(findings), ERRORS_MAX))  # stops looking then
    if errors:
        raise ValidationFailed(errors=errors)


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=1)
def _currencies() -> frozenset[str]:
    """ISO 4217 codes that are legal tender somewhere today, according to CLDR."""
    territories: Any = get_global("territory_currencies")
    return frozenset(
        code
        for currencies in territories.values()
        for code, _, until, tender in currencies
        if until is None and tender
    )


def time_zone(name: str | UnsetType) -> Findings:
    if not isinstance(name, UnsetType) and name not in _time_zones():
        yield FieldError("time_zone", "must be an IANA time zone such as Asia/Shanghai")


def sale_window(starts_at: datetime, opens_at: datetime, closes_at: datetime) -> Findings:
    """Applies to a session in any state."""
    times = {"starts_at": starts_at, "sale_opens_at": opens_at, "sale_closes_at": closes_at}
    impossible = [name for name, at in times.items() if not YEAR_MIN <= at.year < YEAR_MAX]
    for name in impossible:
        yield FieldError(name, f"must be in the years {YEAR_MIN} to {YEAR_MAX - 1}")
    if impossible:
        return
    if opens_at >= closes_at:
        yield FieldError("sale_closes_at", "must be after sale_opens_at")
    if closes_at > starts_at + SALE_AFTER_START_MAX:
        days = SALE_AFTER_START_MAX.days
        yield FieldError("sale_closes_at", f"must be at most {days} days after starts_at")


def refund_policy(policy: RefundTerms | UnsetType) -> Findings:
    """The fee must fit its kind."""
    if isinstance(policy, UnsetType):
        return
    if policy.fee_kind == "none" and policy.fee:
        yield FieldError("refund_policy.fee", "must be 0 without a fee_kind")
    if policy.fee_kind == "percent" and policy.fee > 100:
        yield FieldError("refund_policy.fee", "must be at most 100 per cent")


def session(body: CreateSession) -> Findings:
    """All rules about a session that types cannot express."""
    yield from sale_window(body.starts_at, body.sale_opens_at, body.sale_closes_at)
    yield from _currency(body.currency)
    if isinstance(body.areas, UnsetType) and isinstance(body.plan_id, UnsetType):
        yield FieldError("areas", "are needed, or a plan_id")
    yield from _seats(body)
    yield from price_checks.sheet(sheet_in(body))


def change(body: ChangeSession) -> Findings:
    """The same for the fields sent. The sale window is checked with its final values (sale_window)."""
    if not isinstance(body.currency, UnsetType):
        yield from _currency(body.currency)
    yield from _seats(body)
    yield from price_checks.sheet(sheet_in(body))


def _seats(body: CreateSession | ChangeSession) -> Findings:
    """Areas, or a plan with prices. Prices are compared with the plan where it is known (prices)."""
    planned = not isinstance(body.plan_id, UnsetType)
    priced = not isinstance(body.prices, UnsetType)
    if not isinstance(body.areas, UnsetType):
        yield from _areas(body.areas)
        if planned:
            yield FieldError("areas", "must not be given with a plan_id")
        elif priced:
            yield FieldError("prices", "must not be given with areas, which have theirs")
    if planned and not priced:
        yield FieldError("prices", "are needed with a plan_id")


def prices(given: Sequence[SectionPrice], sections: Sequence[str]) -> Findings:
    """Each section of the plan, named by its key, has one price."""
    unpriced = dict.fromkeys(sections)
    for index, one in enumerate(given):
        if one.section not in sections:
            yield FieldError(f"prices.{index}.section", "is no section of the plan")
        elif one.section not in unpriced:
            yield FieldError(f"prices.{index}.section", "is used twice")
        unpriced.pop(one.section, None)
    for key in unpriced:
        yield FieldError("prices", f"have none for the section {key}")


def _currency(code: str) -> Findings:
    if code not in _currencies():
        yield FieldError("currency", "must be an ISO 4217 code such as CNY")


def _areas(areas: Sequence[AreaOfSeats]) -> Findings:
    for index, area in enumerate(areas):
        yield from _area(f"areas.{index}", area)
    yield from _unique("areas", areas, "name", lambda area: area.name)
    seats = sum(row.seats for area in areas for row in area.rows or ())
    seats += sum(area.capacity or 0 for area in areas)
    if seats > SEATS_A_SESSION_MAX:
        yield FieldError(
            "areas", f"have {seats} seats; a session has at most {SEATS_A_SESSION_MAX}"
        )


def _area(path: str, area: AreaOfSeats) -> Findings:
    if area.kind == "standing":
        if area.rows is not None:
            yield FieldError(f"{path}.rows", "must not be given for a standing area")
        if area.capacity is None:
            yield FieldError(f"{path}.capacity", "is needed for a standing area")
        return
    if area.capacity is not None:
        yield FieldError(f"{path}.capacity", "must not be given for a seated area")
    if not area.rows:
        yield FieldError(f"{path}.rows", "must hold at least one row for a seated area")
        return
    for index, row in enumerate(area.rows):
        yield from _row(f"{path}.rows.{index}", row)
    yield from _unique(f"{path}.rows", area.rows, "label", lambda row: row.label)


def _row(path: str, row: RowOfSeats) -> Findings:
    for name, numbers, most in (
        ("aisles", row.aisles, row.seats - 1),
        ("accessible", row.accessible, row.seats),
    ):
        for index, number in enumerate(numbers):
            if number > most:
                yield FieldError(f"{path}.{name}.{index}", f"must be at most {most} in this row")
        if len(set(numbers)) < len(numbers):
            yield FieldError(f"{path}.{name}", "must not list a seat twice")


def _unique(path: str, items: Any, name: str, key: Callable[[Any], str]) -> Findings:
    seen: set[str] = set()
    for index, item in enumerate(items):
        if key(item) in seen:
            yield FieldError(f"{path}.{index}.{name}", "is used twice")
        seen.add(key(item))


def rows_of(area: AreaOfSeats) -> list[Row]:
    """The rows of a checked seated area, as the domain represents them."""
    return [
        Row(row.label, row.seats, tuple(sorted(row.aisles)), tuple(sorted(row.accessible)))
        for row in area.rows or ()
    ]
