"""Documents of plans: read, checked and laid out in the lane of drafts, so that a large one delays no
buyer. To check a large one takes a second of pure Python, and is done by a process of its own (checking.py).
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import msgspec

from catalog.halls.checks import effort_of
from catalog.halls.csv_form import from_csv, to_csv
from catalog.halls.document import PlanDocument
from catalog.halls.hall import Hall
from catalog.halls.layout import lay_out
from catalog.halls.svg_form import outlines_of
from catalog.plans import store
from catalog.plans.checking import PROGRAM, Verdict, verdict_of
from catalog.seating import PlanCopy, copy_of
from chassis.concurrency.processes import SlowProcess
from chassis.concurrency.threads import SlowThreads
from chassis.http.bodies import decode
from chassis.postgres.pool import Pool, connection
from chassis.problems import FieldError, ValidationFailed

CHECKED_HERE_MAX = 10_000  # seats and marks of seats that a thread checks: 60 ms
CHECK_S = 30.0  # the largest plan takes 1.2 s of CPU; on a busy machine, at low priority, 7 s

Result = TypeVar("Result")


class CheckedPlan(msgspec.Struct, frozen=True):
    """A document without errors, as it is stored."""

    name: str
    seats: int
    document: str


class Documents:
    """drafts: one thread for all that organizers try. Each method raises Overloaded if too many wait. Close
    it after use."""

    def __init__(self, pool: Pool, drafts: SlowThreads, *, check_s: float = CHECK_S) -> None:
        self._pool = pool
        self._drafts = drafts
        busy = "The plan could not be checked; try again."
        self._checker = SlowProcess(PROGRAM, answer_s=check_s, busy=busy)

    def close(self) -> None:
        self._checker.close()

    async def checked(self, body: bytes) -> CheckedPlan:
        """Raises ValidationFailed, or Unavailable if it takes too long."""
        return await self.run(lambda: self._checked(decode(PlanDocument, body)))

    async def with_sections(self, document: str, body: bytes) -> CheckedPlan:
        """A stored document with the sections of a CSV. Raises ValidationFailed."""
        return await self.run(lambda: self._checked(from_csv(body, _stored(document))))

    async def with_outlines(self, document: str, body: bytes, scale: float) -> CheckedPlan:
        """A stored document with the outlines of an SVG. Raises ValidationFailed."""
        return await self.run(lambda: self._checked(_outlined(_stored(document), body, scale)))

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

    def _checked(self, document: PlanDocument) -> CheckedPlan:
        """In the lane, so the process has one document at a time."""
        text = msgspec.json.encode(document)
        if effort_of(document) <= CHECKED_HERE_MAX:
            verdict = verdict_of(document)
        else:
            verdict = msgspec.msgpack.decode(self._checker.ask(text), type=Verdict)
        if verdict.errors:
            raise ValidationFailed(errors=verdict.errors)
        return CheckedPlan(document.name, verdict.seats, text.decode())

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
