"""Compares Redis with PostgreSQL, seat by seat and user by user.

The two cannot be read at the same instant. While a session is in use, a difference may be a step in progress:
a hold whose order is being committed, or a sale that is about to be written to Redis. A difference that is
unchanged after more than HOLD_INTENT_MS is real (reconciler.py).
"""

from typing import Literal
from uuid import UUID

import msgspec

from booking.seats.bytes import layout_of, letters_of
from booking.seats.claims import Claim, Snapshot
from booking.seats.holds import SeatHolds
from booking.seats.keys import SENTINEL, session_keys
from booking.seats.snapshot import seat_bytes

FIELDS_A_CALL_MAX = 500
SCAN_COUNT = 1000


class Difference(msgspec.Struct, frozen=True):
    """The two values of one seat (`.`, `h`, `s`, `b`) or of one user's number of tickets.

    what: the id of the seat or user. The orders are the owners of a held seat, else empty.
    """

    kind: Literal["seat", "tickets", "layout"]
    what: str
    redis: str
    postgres: str
    redis_order: str = ""
    postgres_order: str = ""


class Look(msgspec.Struct, frozen=True):
    """The differences at one moment, and PostgreSQL's claims at that moment by seat."""

    differences: list[Difference]
    claims: dict[int, Claim]


async def look(holds: SeatHolds, session_id: UUID) -> Look:
    """Reads and compares both. A session that is not loaded gets loaded, and then has no differences."""
    _, stored = await holds.stored(session_id)
    snapshot = await holds.truth.snapshot(session_id)
    claims = {claim.seat_id: claim for claim in snapshot.claims}
    if layout_of(stored) != snapshot.layout:
        sizes = (str(len(stored)), str(len(snapshot.layout)))
        return Look([Difference("layout", "positions", *sizes)], claims)
    positions = letters_of(stored)
    expected = letters_of(bytes(seat_bytes(snapshot.layout, snapshot.claims)))
    differences = await _seats(holds, session_id, positions, expected, claims)
    differences += await _tallies(holds, session_id, snapshot)
    return Look(differences, claims)


async def _seats(
    holds: SeatHolds, session_id: UUID, positions: bytes, expected: bytes, claims: dict[int, Claim]
) -> list[Difference]:
    """Seats whose bytes differ, and held seats whose owners differ."""
    held = positions.count(b"h")
    suspects = [
        at + 1
        for at in range(len(positions))
        if positions[at] != expected[at] or (held and positions[at] == ord("h"))
    ]
    owners = await _owners(holds, session_id, suspects)
    found = []
    for seat in suspects:
        here, there = chr(positions[seat - 1]), chr(expected[seat - 1])
        claim = claims.get(seat)
        order = str(claim.order_id) if claim and claim.state == "held" and claim.order_id else ""
        if here != there or owners[seat] != order:
            found.append(Difference("seat", str(seat), here, there, owners[seat], order))
    return found


async def _owners(holds: SeatHolds, session_id: UUID, seats: list[int]) -> dict[int, str]:
    owners: dict[int, str] = {}
    key = session_keys(session_id)[3]
    for start in range(0, len(seats), FIELDS_A_CALL_MAX):
        piece = seats[start : start + FIELDS_A_CALL_MAX]
        values = await holds.calls.command("HMGET", key, *piece)
        for seat, value in zip(piece, values, strict=True):
            owners[seat] = value.decode() if value is not None else ""
    return owners


async def _tallies(holds: SeatHolds, session_id: UUID, snapshot: Snapshot) -> list[Difference]:
    key = session_keys(session_id)[2]
    here: dict[str, int] = {}
    cursor: bytes | str = "0"
    while True:
        cursor, fields = await holds.calls.command("HSCAN", key, cursor, "COUNT", SCAN_COUNT)
        pairs = zip(fields[::2], fields[1::2], strict=True)
        here.update((user.decode(), int(tickets)) for user, tickets in pairs)
        if int(cursor) == 0:
            break
    here.pop(SENTINEL, None)
    there = {str(user): tickets for user, tickets in snapshot.tallies.items() if tickets > 0}
    return [
        Difference("tickets", user, str(here.get(user, 0)), str(there.get(user, 0)))
        for user in sorted(here.keys() | there.keys())
        if here.get(user, 0) != there.get(user, 0)
    ]
