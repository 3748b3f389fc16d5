"""Sold seats that are free again: writes them to Redis after PostgreSQL has committed."""

from collections.abc import Sequence
from uuid import UUID

from booking.seats.holds import SeatHolds
from booking.seats.keys import session_keys


async def give_back(
    holds: SeatHolds, session_id: UUID, user_id: UUID, seats: Sequence[int], *, closed: bool
) -> None:
    """Puts these seats back on sale, or blocks them if their session is `closed`, and lowers the buyer's
    tally. Seats that have changed in Redis since stay unchanged; the reconciler checks them.

    Raises Unavailable or Overloaded if Redis does not answer; the reconciler corrects it later.
    """
    tally = await holds.calls.command("HGET", session_keys(session_id)[2], str(user_id))
    if closed:
        await holds.block(session_id, sorted(seats))
    else:
        await holds.free(session_id, [(seat, "s", "") for seat in sorted(seats)])
    if tally is not None:  # read first: a load in between has already counted this, and stays
        fewer = max(0, int(tally) - len(seats))
        await holds.run(session_id, "tallies", [str(user_id), int(tally), fewer])
