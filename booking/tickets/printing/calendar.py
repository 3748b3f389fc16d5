"""A session as a calendar entry (RFC 5545), in UTC: every calendar shows that in its reader's own zone.

The UID is the order's or the ticket's own, so an entry that is imported again replaces itself.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from icalendar import Calendar, Event, vText

from booking.tickets.printing.words import WORDS

CONTENT_TYPE = "text/calendar"
LASTS = timedelta(hours=2)  # nobody tells us when a session ends; a calendar needs some room
# What any reader may take for a line's end: also Unicode's own, and the older controls.
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """`uid`: what it is the entry of. `seats`: one line each, in `language`. `cancelled`: it is void."""

    language: str
    uid: str
    title: str
    venue: str
    starts_at: datetime
    changed_at: datetime
    order_no: str
    seats: Sequence[str]
    url: str
    cancelled: bool


def calendar_of(entry: Entry) -> bytes:
    """The calendar with this one entry."""
    calendar = Calendar()
    calendar.add("prodid", f"-//Stampede//Tickets//{entry.language.upper()}")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    event = Event()
    event.add("uid", entry.uid)
    event.add("dtstamp", entry.changed_at.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", entry.starts_at.astimezone(UTC).replace(microsecond=0))
    event.add("duration", LASTS)
    event.add("summary", _text(entry.title))
    event.add("location", _text(entry.venue))
    lines = [*entry.seats, WORDS[entry.language].order.format(order_no=entry.order_no)]
    event.add("description", vText("\n".join(map(_plain, lines))))
    event.add("url", entry.url)
    event.add("status", "CANCELLED" if entry.cancelled else "CONFIRMED")
    event.add("sequence", 1 if entry.cancelled else 0)
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _text(text: str) -> vText:
    return vText(_plain(text))


def _plain(text: str) -> str:
    """On one line: titles are other people's text, and a line end would begin a property."""
    return text.translate(_CONTROLS)
