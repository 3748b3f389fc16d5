"""Errors as the caller sees them: application/problem+json (RFC 9457) with a stable code.

Raise a Problem anywhere below a route; `chassis.http.service` and the gateway render it, nobody else.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

CONTENT_TYPE = "application/problem+json"


class FieldError(msgspec.Struct, frozen=True):
    """One wrong field of a request: `field` as a dotted path (`areas.0.price`), `message` for people."""

    field: str
    message: str


class Problem(Exception):
    """Base of every refusal that a caller may see.

    A subclass's docstring is its title. `extra` members (RFC 9457, 3.2) are added to the document as
    they are.
    """

    code: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.extra = extra

    @classmethod
    def title(cls) -> str:
        return (cls.__doc__ or cls.__name__).split("\n", 1)[0].rstrip(".")

    def render(self, instance: str, request_id: str) -> bytes:
        """The document as UTF-8 JSON. `instance` is the request's path."""
        document: dict[str, Any] = {
            "type": f"urn:stampede:problem:{self.code}",
            "title": self.title(),
            "status": self.status,
            "detail": self.detail or self.title(),
            "instance": instance,
            "code": self.code,
            "request_id": request_id,
        }
        if self.errors:
            document["errors"] = self.errors
        document.update(self.extra)
        return msgspec.json.encode(document)


class ValidationFailed(Problem):
    """The request is not well formed."""

    code, status = "validation-failed", 400


class Unauthenticated(Problem):
    """A valid access token is needed."""

    code, status = "unauthenticated", 401

    def __init__(self, detail: str = "", **kwargs: Any) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"}, **kwargs)


class TokenExpired(Unauthenticated):
    """The access token has expired."""

    code, status = "token-expired", 401


class InvalidToken(Unauthenticated):
    """The access token is not valid."""

    code, status = "invalid-token", 401


class Forbidden(Problem):
    """Your role does not allow this."""

    code, status = "forbidden", 403


class NotFound(Problem):
    """There is no such thing here, or it is not yours."""

    code, status = "not-found", 404


class MethodNotAllowed(Problem):
    """This route does not take that method."""

    code, status = "method-not-allowed", 405


class PayloadTooLarge(Problem):
    """The request body is too large."""

    code, status = "payload-too-large", 413


class UnsupportedMediaType(Problem):
    """Send the body as application/json."""

    code, status = "unsupported-media-type", 415


class IdempotencyKeyReused(Problem):
    """This idempotency key was used with another request."""

    code, status = "idempotency-key-reused", 422


class IdempotencyInFlight(Problem):
    """A request with this idempotency key is still being worked on."""

    code, status = "idempotency-in-flight", 409


class RateLimited(Problem):
    """Too many requests."""

    code, status = "rate-limited", 429


class InternalError(Problem):
    """Something went wrong on our side."""

    code, status = "internal-error", 500


class Overloaded(Problem):
    """Too busy to take this now; try again in a moment."""

    code, status = "overloaded", 503

    def __init__(self, detail: str = "", *, retry_after_s: int = 1, **kwargs: Any) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_s)}, **kwargs)


class Unavailable(Overloaded):
    """A part of the platform that this needs does not answer."""

    code, status = "unavailable", 503
