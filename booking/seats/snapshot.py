"""Turns a snapshot of PostgreSQL into the commands that write it to Redis under staged names."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from booking.seats.bytes import TAKEN_BYTES
from booking.seats.claims import Claim, Snapshot
from booking.seats.keys import POSITIONS_MAX, SENTINEL
from chassis.redis.slots import Call

PAIRS_MAX = 500  # in one HSET or ZADD, so that no command blocks Redis for long
STAGED_TTL_MS = 300_000  # longest a rebuild may take; keys of a rebuild that died expire


def seat_bytes(layout: bytes, claims: Iterable[Claim]) -> bytearray:
    """The seat string: the layout with the claims. Claims on positions without a seat that is for sale are
    ignored."""
    seats = bytearray(layout)
    for claim in claims:
        position = claim.seat_id - 1
        if not 0 <= position < len(seats):
            continue
        seats[position] = TAKEN_BYTES[claim.state].get(layout[position], layout[position])
    return seats


def pack(snapshot: Snapshot, keys: Sequence[str], now_ms: int) -> list[Call]:
    """The commands that write the eight staged keys. Each key has its sentinel and expires."""
    if not 0 < len(snapshot.layout) <= POSITIONS_MAX:
        raise ValueError(
            f"a session has 1 to {POSITIONS_MAX} positions, not {len(snapshot.layout)}"
        )
    seats_key, meta, tallies, holds, repeats, expiry, scores, bounds = keys
    by_order = _held_by_order(snapshot.claims)
    pieces: list[list[Call]] = [
        [("SET", seats_key, bytes(seat_bytes(snapshot.layout, snapshot.claims)))],
        [("HSET", meta, SENTINEL, "1")],
        [("HSET", repeats, SENTINEL, "1")],
        [("SET", scores, snapshot.scores(snapshot.layout))],
        [("ZADD", bounds, "-inf", SENTINEL)],
        _in_pieces("HSET", tallies, _tally_fields(snapshot)),
        _in_pieces("HSET", holds, _hold_fields(by_order)),
        _in_pieces("ZADD", expiry, _due_fields(by_order, now_ms)),
    ]
    firsts = [one[0] for one in pieces]
    ends: list[Call] = [("PEXPIRE", key, STAGED_TTL_MS) for key in keys]
    return [*firsts, *ends, *(call for one in pieces for call in one[1:])]


def _held_by_order(claims: Iterable[Claim]) -> dict[UUID, list[Claim]]:
    held: dict[UUID, list[Claim]] = {}
    for claim in claims:
        if claim.state == "held" and claim.order_id is not None:
            held.setdefault(claim.order_id, []).append(claim)
    return held


def _tally_fields(snapshot: Snapshot) -> list[str | int]:
    fields: list[str | int] = [SENTINEL, 0]
    for user_id, tickets in snapshot.tallies.items():
        if tickets > 0:
            fields += (str(user_id), tickets)
    return fields


def _hold_fields(by_order: dict[UUID, list[Claim]]) -> list[str | int]:
    fields: list[str | int] = [SENTINEL, ""]
    for order_id, claims in by_order.items():
        seats = sorted(claim.seat_id for claim in claims)
        user_id = next((claim.user_id for claim in claims if claim.user_id is not None), "")
        fields += (str(order_id), f"{user_id}||{','.join(map(str, seats))}")
        for seat in seats:
            fields += (seat, str(order_id))
    return fields


def _due_fields(by_order: dict[UUID, list[Claim]], now_ms: int) -> list[str | int]:
    """Scores and members of `expiry`; the sentinel is never due."""
    fields: list[str | int] = ["+inf", SENTINEL]
    for order_id, claims in by_order.items():
        fields += (now_ms + min(claim.expires_in_ms or 0 for claim in claims), str(order_id))
    return fields


def _in_pieces(command: str, key: str, fields: Sequence[str | int]) -> list[Call]:
    step = 2 * PAIRS_MAX
    return [(command, key, *fields[at : at + step]) for at in range(0, len(fields), step)]
