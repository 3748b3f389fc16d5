"""The Redis keys of a session and their formats.

All keys of a session share the hash tag {session_id}, so that they are on one shard of a cluster:

    seats     string: one byte a position (bytes.py)
    meta      hash: version, and how many of its changes were `quiet` (buyers.py); what is known of areas
              (lua/shared/bounds.lua); the next turn, where orders a second are limited (turn.lua)
    tallies   hash: user id → tickets held or sold
    holds     hash: order id → "user|repeat|seat,seat…"; held seat → order id (the fence)
    repeats   hash: "user:digest of idempotency key" → "order id|until ms"
    expiry    sorted set: order id → when to ask PostgreSQL about it, in ms of Redis' own time
    scores    string: two bytes a position, how good the seat is; then two bytes a position, how many
              positions further on the seat behind it is (booking/domain/scoring.py)
    bounds    sorted set: the best place of each segment, by area and need (lua/shared/bounds.lua)

Each but the two strings always has a member `loaded`. If a key is missing, the session is not loaded, and
every script answers `not_loaded`.
"""

import hashlib
from functools import lru_cache
from uuid import UUID

NAMES = ("seats", "meta", "tallies", "holds", "repeats", "expiry", "scores", "bounds")
SENTINEL = "loaded"

HOLD_INTENT_MS = 10_000  # longest a commit may take before the sweeper asks PostgreSQL
QUANTITY_MAX = 20  # seats an order; a need in lua/shared/bounds.lua has 32
POSITIONS_MAX = 2_000_000


@lru_cache(maxsize=4096)
def session_keys(session_id: UUID) -> tuple[str, ...]:
    """The eight keys in the order of every script's KEYS."""
    return tuple(f"{name}:{{{session_id}}}" for name in NAMES)


def staged_keys(session_id: UUID, token: str) -> tuple[str, ...]:
    """The eight keys that one rebuild fills before they replace the session's own."""
    return tuple(f"staged-{name}:{{{session_id}}}:{token}" for name in NAMES)


def repeat_field(user_id: UUID, idempotency_key: str | None) -> str:
    """The field of the user's request in `repeats`; empty without an idempotency key."""
    if idempotency_key is None:
        return ""
    digest = hashlib.sha256(idempotency_key.encode()).hexdigest()[:32]
    return f"{user_id}:{digest}"
