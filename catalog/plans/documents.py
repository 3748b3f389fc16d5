"""Documents of plans: read, checked and laid out in the lane of drafts, so that a large one delays no
buyer."""

import asyncio
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import msgspec

from catalog.halls.checks import checked_hall
from catalog.halls.csv_form import from_csv, to_csv
from catalog.halls.document import PlanDocument
from catalog.halls.hall import Hall
from catalog.halls.layout import lay_out
from catalog.halls.svg_form import outlines_of
from catalog.plans import store
from catalog.seating import PlanCopy, copy_of
from chassis.concurrency.threads import SlowThreads
from chassis.http.bodies import decode
from chassis.postgres.pool import Pool, connection
from chassis.problems import FieldError, ValidationFailed

Result = TypeVar("Result")


class CheckedPlan(msgspec.Struct, frozen=True):
    """A document without errors, as it is stored."""

    name: str
    seats: int
    document: str


class Documents:
    """drafts: one thread for all that organizers try. Each method raises Overloaded if too many wait."""

    def __init__(self, pool: Pool, drafts: SlowThreads) -> None:
        self._pool = pool
        self._drafts = drafts

    async def checked(self, body: bytes) -> CheckedPlan:
        """Raises ValidationFailed."""
        return await self.run(lambda: _checked(decode(PlanDocument, body)))

    async def with_sections(self, document: str, body: bytes) -> CheckedPlan:
        """A stored document with the sections of a CSV. Raises ValidationFailed."""
        return await self.run(lambda: _checked(from_csv(body, _stored(document))))

    async def with_outlines(self, document: str, body: bytes, scale: float) -> CheckedPlan:
        """A stored document with the outlines of an SVG. Raises ValidationFailed."""
        return await self.run(lambda: _checked(_outlined(_stored(document), body, scale)))

    async def csv(self, document: str) -> str:
        """The sections of a stored document."""
        return await self.run(lambda: to_csv(_stored(document)))

    async def copy(self, plan_id: UUID) -> PlanCopy | None:
        """For a session. None if there is no such plan."""
        async with connection(self._pool) as db:
            row = await store.plan(db, plan_id)
        if row is None:
            return None
        venue_id, document = row["venue_id"], row["document"]
        return await self.run(lambda: copy_of(venue_id, laid_out(document)))

    async def run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.wrap_future(self._drafts.submit(work))


def laid_out(document: str) -> Hall:
    """A stored document: it was checked when it was written."""
    return lay_out(_stored(document))


def _stored(document: str) -> PlanDocument:
    return msgspec.json.decode(document, type=PlanDocument)


def _outlined(document: PlanDocument, body: bytes, scale: float) -> PlanDocument:
    """Each outline belongs to the section of its key; the others keep theirs."""
    outlines = outlines_of(body, scale=scale)
    unknown = sorted(outlines.keys() - {section.key for section in document.sections})
    if unknown:
        raise ValidationFailed(
            errors=[FieldError(f"svg.{key}", "is no section of the plan") for key in unknown[:100]]
        )
    sections = [
        msgspec.structs.replace(section, outline=list(outlines[section.key]))
        if section.key in outlines
        else section
        for section in document.sections
    ]
    return msgspec.structs.replace(document, sections=sections)


def _checked(document: PlanDocument) -> CheckedPlan:
    hall = checked_hall(document)
    seats = sum(area.capacity for area in hall.areas)
    return CheckedPlan(document.name, seats, msgspec.json.encode(document).decode())
