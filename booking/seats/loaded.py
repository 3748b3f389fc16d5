"""Which sessions are in Redis: a set of their ids, in parts that a cluster spreads over its nodes."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from booking.seats.keys import session_keys
from chassis.problems import Unavailable
from chassis.redis.scripts import RedisCalls

PARTS = 16  # one set would be one node's; its loss would hide the sessions of all others
KEYS = tuple(f"loaded-sessions:{{{part}}}" for part in range(PARTS))


class Loaded(NamedTuple):
    """away: why some of them are not known, while a node does not answer."""

    sessions: list[UUID]
    away: Unavailable | None


def key_of(session_id: UUID) -> str:
    return KEYS[session_id.int % PARTS]


async def add_loaded(calls: RedisCalls, session_ids: Sequence[UUID]) -> None:
    await asyncio.gather(*(calls.command("SADD", key_of(one), str(one)) for one in session_ids))


async def remove_loaded(calls: RedisCalls, session_id: UUID) -> None:
    await calls.command("SREM", key_of(session_id), str(session_id))


async def list_loaded(calls: RedisCalls) -> Loaded:
    """In order. Raises Unavailable when no node answers."""
    answers = await calls.submit_each([("SMEMBERS", key) for key in KEYS])
    failures = [one for one in answers if isinstance(one, BaseException)]
    away = next((one for one in failures if isinstance(one, Unavailable)), None)
    for failure in failures:
        if len(failures) == len(KEYS) or not isinstance(failure, Unavailable):
            raise failure
    members = [one for part in answers if not isinstance(part, BaseException) for one in part]
    return Loaded(sorted(UUID(member.decode()) for member in members), away)


async def unload(calls: RedisCalls, session_id: UUID) -> None:
    """Removes all keys of a session that is no more. One that is still sold would be loaded again."""
    await calls.command("UNLINK", *session_keys(session_id))
    await remove_loaded(calls, session_id)
