"""What a service that consumes events tells of those it could not apply; booking asks, for operators."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

PAGE_MAX = 101  # one more than an operator's page, to know whether there is another

PAGE_PATH = "/internal/dead-letters/page"
FIND_PATH = "/internal/dead-letters/find"  # POST LetterWanted: the Letter; 404 if there is none
RETRY_PATH = "/internal/dead-letters/retry"  # POST LetterWanted, 204: due now; 404 if there is none


class LettersWanted(msgspec.Struct, frozen=True):
    """POST PAGE_PATH: letters after this one, oldest first. `itself`: that one too."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)]
    since: datetime | None = None
    event_id: UUID = UUID(int=0)
    itself: bool = False


class LetterWanted(msgspec.Struct, frozen=True):
    event_id: UUID


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """`waiting` for its next attempt, or `dead`. `error`: bounded, without secrets."""

    event_id: UUID
    type: str
    attempts: int
    error: str
    first_failed_at: datetime
    state: Literal["waiting", "dead"]


class Letters(msgspec.Struct, frozen=True):
    letters: list[Letter]
