"""How a rehearsal's ids are told from all others: by their last 48 bits.

`stampede rehearse` sells a shadow of a session on the platform itself. Its venue, show, session and areas
have marked ids, so whoever has only the id in hand (an event, a payment, a row) knows that nobody is to be
told, and that no real money may move. An ordinary id has these bits by chance once in 281 trillion.
"""

from uuid import UUID

from chassis.ids import uuid7

MARK = 0x72_65_68_65_61_72  # "rehear"
MARK_TEXT = f"{MARK:012x}"  # the last twelve characters of such an id
_BITS = 0xFFFF_FFFF_FFFF


def rehearsal_id() -> UUID:
    """A new id with the mark. 26 random bits are left beside its time: enough for the few of a rehearsal."""
    return UUID(int=uuid7().int & ~_BITS | MARK)


def is_rehearsal(marked: UUID) -> bool:
    return marked.int & _BITS == MARK
