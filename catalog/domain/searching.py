"""What it means that a text is found, and which days and times a search may name.

Texts are compared folded: compatibility forms made one (full-width Ｌ is L) and case dropped, here and
not by the database, whose locale may not know more than ASCII. Chinese is found by substring, from
one character on; several words must all be there, anywhere.
"""

import re
import unicodedata
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from chassis.problems import FieldError, ValidationFailed

WORDS_MAX = 10
YEAR_MIN, YEAR_MAX = 1970, 2200  # far from where time zones would push a time out of the calendar
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LOST_PLUS = re.compile(r"(?<=[0-9]) (?=[0-9]{2}:[0-9]{2}$)")  # a `+` that nobody percent-encoded


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """A search for shows, cleaned: None or () where nothing is asked. Equal searches are equal keys."""

    city: str | None = None
    category: str | None = None
    words: tuple[str, ...] = ()
    from_day: date | None = None
    from_time: datetime | None = None
    to_day: date | None = None
    to_time: datetime | None = None
    page: int = 1
    page_size: int = 20

    @classmethod
    def between(
        cls, start: date | datetime | None, end: date | datetime | None, **rest: Any
    ) -> "Search":
        """With a span whose ends are days, times or open."""
        return cls(
            from_day=None if isinstance(start, datetime) else start,
            from_time=start if isinstance(start, datetime) else None,
            to_day=None if isinstance(end, datetime) else end,
            to_time=end if isinstance(end, datetime) else None,
            **rest,
        )


def fold(text: str) -> str:
    """Of a name or a query: a few hundred characters at the most."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def words_of(text: str) -> tuple[str, ...]:
    """The folded words of a query; beyond WORDS_MAX the rest stays one word."""
    return tuple(fold(text).split(maxsplit=WORDS_MAX - 1))


def parse_moment(field: str, text: str | None) -> date | datetime | None:
    """`2026-12-24` (that whole day at the venue) or an RFC 3339 time; None for none or empty.

    Raises ValidationFailed naming `field`.
    """
    if not text:
        return None
    try:
        moment = _day(text) or msgspec.convert(_LOST_PLUS.sub("+", text), datetime)
    except (ValueError, msgspec.ValidationError):
        moment = None
    if moment is None or (isinstance(moment, datetime) and moment.tzinfo is None):
        message = "must be a date such as 2026-12-24 or a time such as 2026-12-24T19:30:00Z"
        raise ValidationFailed(errors=[FieldError(field, message)])
    if not YEAR_MIN <= moment.year <= YEAR_MAX:
        message = f"must be in the years {YEAR_MIN} to {YEAR_MAX}"
        raise ValidationFailed(errors=[FieldError(field, message)])
    return moment


def check_order(start: date | datetime | None, end: date | datetime | None) -> None:
    """Refuses a span that ends before it starts."""
    if start is None or end is None:
        return
    if isinstance(start, datetime) and isinstance(end, datetime):
        backwards = start > end
    elif isinstance(start, datetime) or isinstance(end, datetime):
        # A day at the venue and a time in UTC: only what is backwards in every zone is refused.
        backwards = _day_of(start) > _day_of(end) + timedelta(days=1)
    else:
        backwards = start > end
    if backwards:
        raise ValidationFailed(errors=[FieldError("from", "must not be after `to`")])


def storable(field: str, text: str | None, length_max: int) -> str:
    """A query's text as PostgreSQL can take it; "" for none. Raises ValidationFailed."""
    if text is None:
        return ""
    if len(text) > length_max:
        message = f"must have at most {length_max} characters"
        raise ValidationFailed(errors=[FieldError(field, message)])
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValidationFailed(errors=[FieldError(field, "must be text")])
    return text


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if _DAY.fullmatch(text) else None


def _day_of(moment: date | datetime) -> date:
    return moment.date() if isinstance(moment, datetime) else moment
