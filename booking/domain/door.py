"""When a door lets people in: for some hours round the start of its session.

       early          open           over
    ───────────┤────────────────├───────────▶
           opens_at   start  closes_at

Who scans names the session, and then these hours keep nobody out: a rehearsal, a late start. They stand
in where no session is named, and tell everybody what is on now.
"""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

Door = Literal["early", "open", "over"]


class DoorHours(msgspec.Struct, frozen=True):
    """How long before the start of a session its door opens, and how long after that it closes."""

    opens_before: timedelta
    closes_after: timedelta

    def opens_at(self, starts_at: datetime) -> datetime:
        return starts_at - self.opens_before

    def closes_at(self, starts_at: datetime) -> datetime:
        return starts_at + self.closes_after

    def state(self, starts_at: datetime, moment: datetime) -> Door:
        """What the door of a session is at `moment`, which PostgreSQL's clock said."""
        if moment < self.opens_at(starts_at):
            return "early"
        return "open" if moment < self.closes_at(starts_at) else "over"
