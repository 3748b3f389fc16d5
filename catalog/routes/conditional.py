"""Conditional reads (RFC 9110, 13.1.2): an entity tag on every answer, and 304 if the client has this
version."""

import re
from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream

from catalog.encoded import SECONDS_OF_BROWSER_CACHE, Encoded, Packed
from chassis.auth.access import ORGANIZERS, PRINCIPAL
from chassis.auth.tokens import Principal
from chassis.http.fast_path import SharedAnswer

# `must-revalidate`: a browser must not show how many seats are left when that is older.
BRIEFLY = f"public, max-age={SECONDS_OF_BROWSER_CACHE}, must-revalidate"
FOREVER = "public, max-age=31536000, immutable"
PRIVATELY = "private, no-cache"  # drafts, and answers that depend on the caller
_TAG = re.compile(r'"[^"]*"')

TAGS = ("Catalog",)


def viewer_of(request: Request[Any, Any, Any]) -> Principal | None:
    """The caller if they may have drafts. None for buyers and anonymous callers."""
    principal: Principal | None = request.scope.get(PRINCIPAL)  # type: ignore[assignment]
    if principal is None or principal.roles.isdisjoint(ORGANIZERS):
        return None
    return principal


def has_already(request: Request[Any, Any, Any], etag: str) -> bool:
    """True if If-None-Match contains the tag. Weak comparison: `W/` makes no difference."""
    fields = request.headers.getall("if-none-match", [])
    if not fields:
        return False
    sent = ", ".join(fields).strip()
    return sent == "*" or etag in _TAG.findall(sent)


def answer(
    request: Request[Any, Any, Any],
    encoded: Encoded,
    cache_control: str,
    *,
    is_current: Callable[[], bool] | None = None,
    **headers: str,
) -> Response[bytes]:
    """200 with the body, or 304 without it. The headers are the same. `is_current`: see SharedAnswer."""
    sent = _headers(encoded.etag, cache_control, headers)
    if has_already(request, encoded.etag):
        return Response(b"", status_code=304, headers=sent, media_type="application/json")
    return SharedAnswer(encoded.body, headers=sent, is_current=is_current)


def _answer_unpacked(
    request: Request[Any, Any, Any], form: Packed, cache_control: str, **headers: str
) -> Response[bytes] | Stream:
    """Like `answer`, for an answer kept compressed only and a client without gzip."""
    sent = _headers(form.plain_etag, cache_control, headers)
    if has_already(request, form.plain_etag):
        return Response(b"", status_code=304, headers=sent, media_type="application/json")
    sent["Content-Length"] = str(form.plain_length)
    return Stream(form.unpacked(), headers=sent, media_type="application/json")


def answer_map(
    request: Request[Any, Any, Any],
    form: Encoded | Packed,
    cache_control: str,
    *,
    is_current: Callable[[], bool] | None = None,
) -> Response[bytes] | Stream:
    """Like `answer`, for one that may be kept compressed only: as the client takes it."""
    vary = "Authorization, Accept-Encoding"
    if isinstance(form, Encoded):
        return answer(request, form, cache_control, vary=vary, is_current=is_current)
    if _takes_gzip(request.headers.get("accept-encoding", "")):
        packed = {"vary": vary, "content_encoding": "gzip"}
        return answer(request, form.gzip, cache_control, is_current=is_current, **packed)
    return _answer_unpacked(request, form, cache_control, vary=vary)


def _takes_gzip(accepted: str) -> bool:
    """True if Accept-Encoding lists gzip with a weight above zero (RFC 9110, 12.5.3)."""
    for part in accepted.lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        if coding == "gzip":
            return weight.rstrip("0").rstrip(".") not in {"0", ""} or weight == ""
    return False


def _headers(etag: str, cache_control: str, more: dict[str, str]) -> dict[str, str]:
    return {
        "ETag": etag,
        "Cache-Control": cache_control,
        "Vary": "Authorization",
        **{name.replace("_", "-").title(): value for name, value in more.items()},
    }


def documented(kind: Any, status: int = 200, *, conditional: bool = False) -> dict[int, Any]:
    """`responses=` of a handler that returns bytes: describes them for the OpenAPI document."""
    described = {status: ResponseSpec(data_container=kind, generate_examples=False, description="")}
    if conditional:
        described[304] = ResponseSpec(
            data_container=None,
            generate_examples=False,
            description="Not modified: you already have this version.",
        )
    return described
