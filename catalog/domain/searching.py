"""How texts are matched, and which days and times a search may contain.

Texts are folded before they are compared: compatibility forms are unified (full-width Ｌ is L) and case is
dropped. Python does this and not the database, whose locale may know no more than ASCII. Chinese matches
by substring, from one character on. If there are several words, all must occur, anywhere.
"""

import re
import unicodedata
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from chassis.problems import FieldError, ValidationFailed

WORDS_MAX = 10
YEAR_MIN, YEAR_MAX = 1970, 2200  # far enough from the calendar's ends for any time zone
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# a `+` that the client did not percent-encode
_LOST_PLUS = re.compile(r"(?<=[0-9]) (?=[0-9]{2}:[0-9]{2}$)")


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed search for shows. None and () mean no condition. Equal searches are equal cache keys."""

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
        """A search with a span whose ends may be days, times or open."""
        return cls(
            from_day=None if isinstance(start, datetime) else start,
            from_time=start if isinstance(start, datetime) else None,
            to_day=None if isinstance(end, datetime) else end,
            to_time=end if isinstance(end, datetime) else None,
            **rest,
        )


def fold(text: str) -> str:
    """For a name or a query of a few hundred characters at most."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def words_of(text: str) -> tuple[str, ...]:
    """The folded words of a query. Beyond WORDS_MAX the rest stays one word."""
    return tuple(fold(text).split(maxsplit=WORDS_MAX - 1))


def parse_moment(field: str, text: str | None) -> date | datetime | None:
    """`2026-12-24` (that whole day at the venue) or an RFC 3339 time. None for no text.

    Raises ValidationFailed for `field`.
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
    """Refuses a span that ends before it begins."""
    if start is None or end is None:
        return
    if isinstance(start, datetime) and isinstance(end, datetime):
        backwards = start > end
    elif isinstance(start, datetime) or isinstance(end, datetime):
        # A day at the venue and a time in UTC: refuse only a span that is reversed in every time
        # zone.
        backwards = _day_of(start) > _day_of(end) + timedelta(days=1)
    else:
        backwards = start > end
    if backwards:
        raise ValidationFailed(errors=[FieldError("from", "must not be after `to`")])


def storable(field: str, text: str | None, length_max: int) -> str:
    """A query's text in a form that PostgreSQL accepts; "" for none. Raises ValidationFailed."""
    if text is None:
        return ""
    if len(text) > length_max:
        message = f"must have at most {length_max} characters"
        raise ValidationFailed(errors=[FieldError(field, message)])
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValidationFailed(errors=[FieldError(field, "must be valid text")])
    return text


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if _DAY.fullmatch(text) else None


def _day_of(moment: date | datetime) -> date:
    return moment.date() if isinstance(moment, datetime) else moment
