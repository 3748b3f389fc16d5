"""Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header) for routes that create rows.

The answer is stored in the transaction of its effect, so either both are there or neither. A second
request with the key while the first is under way is told so by an advisory lock, not by a row that a
dying process could leave behind. Bookings have their own way (orders carry the key themselves).

The service's schema has (see any 0001 migration):
    idempotency_keys (user_id uuid, route text, key text, body_hash bytea, status int, answer bytea,
                      created_at timestamptz default now(), PRIMARY KEY (user_id, route, key))
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response

from chassis.postgres.pool import Connection, Pool, transaction
from chassis.problems import FieldError, IdempotencyInFlight, IdempotencyKeyReused, ValidationFailed

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended($1::text || $2 || $3, 7382))"
_FIND = """SELECT body_hash, status, answer FROM idempotency_keys
           WHERE user_id = $1 AND route = $2 AND key = $3"""
_KEEP = """INSERT INTO idempotency_keys (user_id, route, key, body_hash, status, answer)
           VALUES ($1, $2, $3, $4, $5, $6)"""
# Kept for a day longer than the 24 hours that are promised.
PRUNE = "DELETE FROM idempotency_keys WHERE created_at < now() - interval '48 hours'"

Effect = Callable[[Connection], Awaitable[Any]]


def check_key(header: str | None) -> str | None:
    """The key as sent, without the quotes that the draft's structured form puts round it."""
    if header is None:
        return None
    key = header[1:-1] if len(header) > 2 and header[0] == header[-1] == '"' else header
    if not _KEY.fullmatch(key):
        error = FieldError("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
        raise ValidationFailed(errors=[error])
    return key


def body_hash(body: Any) -> bytes:
    """What two requests must share to be the same: SHA-256 of the decoded body, encoded anew."""
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).digest()


async def once(
    pool: Pool,
    *,
    user_id: UUID,
    route: str,
    key: str | None,
    body: Any,
    status: int,
    effect: Effect,
) -> Response[bytes]:
    """Runs `effect(connection)` in a transaction and answers with what it returns, once per key.

    `route` names the operation and its path parameters. Raises IdempotencyKeyReused (422) for the
    key with another body, IdempotencyInFlight (409) while the first request is under way. A refusal
    raised by `effect` is not remembered: nothing happened.
    """
    key = check_key(key)
    async with transaction(pool) as connection:
        if key is not None:
            if not await connection.fetchval(_LOCK, str(user_id), route, key):
                raise IdempotencyInFlight()
            stored = await connection.fetchrow(_FIND, user_id, route, key)
            if stored is not None:
                if stored["body_hash"] != body_hash(body):
                    raise IdempotencyKeyReused()
                return _json(stored["answer"], stored["status"], replayed=True)
        answer = msgspec.json.encode(await effect(connection))
        if key is not None:
            await connection.execute(_KEEP, user_id, route, key, body_hash(body), status, answer)
    return _json(answer, status, replayed=False)


def _json(answer: bytes, status: int, *, replayed: bool) -> Response[bytes]:
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    return Response(answer, status_code=status, media_type="application/json", headers=headers)
