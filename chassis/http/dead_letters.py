"""The internal routes of a service that consumes events: its dead letters, for operators.

chassis/events/letters.py has the paths and bodies.
"""

from collections.abc import Callable
from typing import Any

from litestar import Request, post
from litestar.params import RawBody

from chassis.auth.access import INTERNAL, access
from chassis.events import inbox
from chassis.events.inbox import DeadLetter
from chassis.events.letters import (
    FIND_PATH,
    PAGE_PATH,
    RETRY_PATH,
    Letter,
    Letters,
    LettersWanted,
    LetterWanted,
)
from chassis.http.bodies import decode
from chassis.masking import MASK, SECRET
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection
from chassis.problems import NotFound

PoolOf = Callable[[Request[Any, Any, Any]], Pool]


def dead_letter_routes(service: str, pool_of: PoolOf) -> list[Any]:
    log = logs.get(service)

    @post(PAGE_PATH, status_code=200, opt=access(INTERNAL), include_in_schema=False)
    async def list_letters(request: Request[Any, Any, Any], body: RawBody) -> Letters:
        """Oldest first, whether they wait or are dead."""
        wanted = decode(LettersWanted, body)
        async with connection(pool_of(request)) as db:
            found = await inbox.page_of_letters(
                db,
                since=wanted.since,
                event_id=wanted.event_id,
                itself=wanted.itself,
                limit=wanted.limit,
            )
        return Letters([_letter(one) for one in found])

    @post(FIND_PATH, status_code=200, opt=access(INTERNAL), include_in_schema=False)
    async def find_letter(request: Request[Any, Any, Any], body: RawBody) -> Letter:
        wanted = decode(LetterWanted, body)
        async with connection(pool_of(request)) as db:
            found = await inbox.find_letter(db, wanted.event_id)
        if found is None:
            raise NotFound()
        return _letter(found)

    @post(RETRY_PATH, status_code=204, opt=access(INTERNAL), include_in_schema=False)
    async def retry_letter(request: Request[Any, Any, Any], body: RawBody) -> None:
        """Due now, with all its attempts again."""
        wanted = decode(LetterWanted, body)
        async with connection(pool_of(request)) as db:
            if not await inbox.retry(db, [wanted.event_id]):
                raise NotFound()
        log.warning("dead_letter_sent_back", event_id=wanted.event_id)

    return [list_letters, find_letter, retry_letter]


def _letter(letter: DeadLetter) -> Letter:
    return Letter(
        event_id=letter.event_id,
        type=letter.type,
        attempts=letter.attempts,
        error=SECRET.sub(MASK, letter.reason),
        first_failed_at=letter.first_failed,
        state="dead" if letter.next_attempt is None else "waiting",
    )
