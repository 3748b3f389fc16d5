"""Sold seats that came free: Redis hears of it after PostgreSQL has committed."""

from collections.abc import Sequence
from uuid import UUID

from booking.seats.holds import SeatHolds
from booking.seats.keys import session_keys


async def give_back(
    holds: SeatHolds, session_id: UUID, user_id: UUID, seats: Sequence[int], *, closed: bool
) -> None:
    """These seats are on sale again, or blocked when their session is `closed`, and their buyer has so
    many tickets fewer. What has changed here since is left to the reconciler.

    Raises Unavailable or Overloaded when Redis does not answer; the reconciler heals it then.
    """
    tally = await holds.calls.command("HGET", session_keys(session_id)[2], str(user_id))
    if closed:
        await holds.block(session_id, sorted(seats))
    else:
        await holds.free(session_id, [(seat, "s", "") for seat in sorted(seats)])
    if tally is not None:  # looked at before a loading that would have counted it already
        fewer = max(0, int(tally) - len(seats))
        await holds.run(session_id, "tallies", [str(user_id), int(tally), fewer])
