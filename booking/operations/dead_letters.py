"""Dead letters of all services, listed as one and sent back one at a time.

Each service that consumes events answers for its own, in one process or apart. What is away is named, and the
others are listed. A retry is an action: it is written down before the service is asked, so none goes without
its reason.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from booking.operations import store
from booking.operations.store import NewAction
from booking.operations.wire import DeadLetterAnswer, DeadLetterPage
from chassis.auth.tokens import Principal
from chassis.clock import whole_second
from chassis.events.letters import (
    FIND_PATH,
    PAGE_PATH,
    RETRY_PATH,
    Letter,
    Letters,
    LettersWanted,
    LetterWanted,
)
from chassis.observability import logs
from chassis.postgres.pool import Pool, transaction
from chassis.problems import FieldError, NotFound, Problem, ValidationFailed
from chassis.seam.client import ServiceClient, UpstreamRefused

_CURSOR = re.compile(r"([0-9]{1,17})_([0-9a-f-]{36})_([a-z]{1,20})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

log = logs.get("booking")


class Place(msgspec.Struct, frozen=True, order=True):
    """Where a letter stands in the list of all services."""

    since: datetime
    event_id: UUID
    service: str

    def cursor(self) -> str:
        return f"{(self.since - _EPOCH) // _MICROSECOND}_{self.event_id}_{self.service}"


class DeadLetters:
    """services: those that consume events, by name. Each has one consumer, of its own name."""

    def __init__(self, pool: Pool, *, services: Mapping[str, ServiceClient]) -> None:
        self._pool = pool
        self._services = services

    async def page(self, *, cursor: str | None, limit: int) -> DeadLetterPage:
        """Oldest first."""
        after = None if cursor is None else _read_cursor(cursor)
        names = list(self._services)
        pages = await asyncio.gather(
            *(self._letters(name, after, limit + 1) for name in names), return_exceptions=True
        )
        away: list[str] = []
        found: list[tuple[Place, Letter]] = []
        for name, page in zip(names, pages, strict=True):
            if isinstance(page, (Problem, UpstreamRefused)):  # an older release has no such route
                away.append(name)
                continue
            if isinstance(page, BaseException):
                raise page
            found += [(Place(one.first_failed_at, one.event_id, name), one) for one in page]
        found.sort(key=lambda one: one[0])
        shown = found[:limit]
        return DeadLetterPage(
            items=[_answer(place.service, letter) for place, letter in shown],
            next_cursor=shown[-1][0].cursor() if len(found) > limit else None,
            unavailable=away,
        )

    async def retry(
        self, principal: Principal, service: str, consumer: str, event_id: UUID, reason: str
    ) -> DeadLetterAnswer:
        """The letter as it was. Raises NotFound, or Unavailable; then the action says that it was tried."""
        client = self._services.get(service)
        if client is None or consumer != service:
            raise NotFound()
        letter = await _find(client, event_id)
        answer = _answer(service, letter)
        after = msgspec.structs.replace(answer, state="waiting", attempts=0)
        async with transaction(self._pool) as tx:
            await store.record_action(
                tx,
                NewAction(
                    by_user=principal.user_id,
                    action="retry",
                    reason=reason,
                    subject=f"{service}/{consumer}/{event_id}",
                    before=msgspec.json.encode(answer),
                    after=msgspec.json.encode(after),
                ),
            )
        try:
            await client.request("POST", RETRY_PATH, msgspec.json.encode(LetterWanted(event_id)))
        except UpstreamRefused as refused:
            raise _as_problem(refused) from None
        log.warning(
            "dead_letter_retried", service=service, event_id=event_id, user=principal.user_id,
            reason=reason,
        )  # fmt: skip
        return after

    async def _letters(self, service: str, after: Place | None, limit: int) -> list[Letter]:
        wanted = LettersWanted(limit)
        if after is not None:
            itself = service > after.service
            wanted = LettersWanted(limit, after.since, after.event_id, itself)
        found = await self._services[service].post(PAGE_PATH, wanted, Letters)
        return found.letters


async def _find(client: ServiceClient, event_id: UUID) -> Letter:
    try:
        return await client.post(FIND_PATH, LetterWanted(event_id), Letter)
    except UpstreamRefused as refused:
        raise _as_problem(refused) from None


def _as_problem(refused: UpstreamRefused) -> Exception:
    return NotFound() if refused.status == 404 else refused


def _answer(service: str, letter: Letter) -> DeadLetterAnswer:
    return DeadLetterAnswer(
        service=service,
        consumer=service,
        event_id=letter.event_id,
        type=letter.type,
        attempts=letter.attempts,
        error=letter.error,
        first_failed_at=whole_second(letter.first_failed_at),
        state=letter.state,
    )


def _read_cursor(cursor: str) -> Place:
    read = _CURSOR.fullmatch(cursor)
    try:
        if read is not None:
            return Place(_EPOCH + int(read[1]) * _MICROSECOND, UUID(read[2]), read[3])
    except (ValueError, OverflowError):
        pass
    raise ValidationFailed(errors=[FieldError("cursor", "is not a `next_cursor` of this list")])
