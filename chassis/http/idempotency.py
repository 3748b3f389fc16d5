"""Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header) for routes that create rows.

The answer is stored in the transaction of its effect, so both exist or neither. A second request with the
key while the first is in progress is refused by an advisory lock, not by a row that a dying process could
leave behind. Booking has its own way (orders store the key).

The service's schema has (see any 0001 migration):
    idempotency_keys (user_id uuid, route text, key text, body_hash bytea, status int, answer bytea,
                      created_at timestamptz default now(), PRIMARY KEY (user_id, route, key))
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response

from chassis.auth.tokens import Principal
from chassis.postgres.pool import Connection, Pool, load_queries, transaction
from chassis.postgres.replicated import until_replicated
from chassis.problems import FieldError, IdempotencyInFlight, IdempotencyKeyReused, ValidationFailed

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_sql = load_queries(Path(__file__).parent / "sql" / "idempotency.sql")

ONCE = (IdempotencyInFlight, IdempotencyKeyReused)  # what a request with a key may meet

Effect = Callable[[Connection], Awaitable[Any]]


def check_key(header: str | None) -> str | None:
    """The key as sent, without the quotes of the draft's structured form."""
    if header is None:
        return None
    key = header[1:-1] if len(header) > 2 and header[0] == header[-1] == '"' else header
    if not _KEY.fullmatch(key):
        error = FieldError("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
        raise ValidationFailed(errors=[error])
    return key


def body_hash(body: Any) -> bytes:
    """Two requests are the same if this matches: SHA-256 of the decoded body, encoded again."""
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
    """Runs `effect(connection)` in a transaction and answers with its result, once per key.

    `route` is the operation with its path parameters. Raises IdempotencyKeyReused (422) for the key with
    another body, IdempotencyInFlight (409) while the first request is in progress. A refusal raised by
    `effect` is not stored: nothing happened.
    """
    key = check_key(key)
    async with transaction(pool) as tx:
        if key is not None:
            if not await _sql.try_lock_key(tx, user_id=str(user_id), route=route, key=key):
                raise IdempotencyInFlight()
            stored = await _sql.find_answer(tx, user_id=user_id, route=route, key=key)
            if stored is not None:
                if stored["body_hash"] != body_hash(body):
                    raise IdempotencyKeyReused()
                await until_replicated(tx)
                return _json(stored["answer"], stored["status"], replayed=True)
        answer = msgspec.json.encode(await effect(tx))
        if key is not None:
            await _sql.keep_answer(
                tx,
                user_id=user_id,
                route=route,
                key=key,
                body_hash=body_hash(body),
                status=status,
                answer=answer,
            )
    return _json(answer, status, replayed=False)


async def once_by_key(
    pool: Pool,
    request: Request[Any, Any, Any],
    principal: Principal,
    *,
    key: str | None,
    body: Any,
    effect: Effect,
    status: int = 201,
    headers: Mapping[str, str] | None = None,
) -> Response[bytes]:
    """`once` for a handler. A key belongs to the operation and its parameters, not to the path: a path can
    be written in several ways (an id in capitals, without hyphens)."""
    parameters = map(str, request.path_params.values())
    sent = await once(
        pool,
        user_id=principal.user_id,
        route=" ".join([request.route_handler.handler_name, *parameters]),
        key=key,
        body=body,
        status=status,
        effect=effect,
    )
    sent.headers.update(headers or {})
    return sent


async def prune_keys(db: Connection) -> None:
    """Deletes keys that are older than promised."""
    await _sql.prune_keys(db)


def _json(answer: bytes, status: int, *, replayed: bool) -> Response[bytes]:
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    return Response(answer, status_code=status, media_type="application/json", headers=headers)
