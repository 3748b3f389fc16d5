"""Errors as clients see them: application/problem+json (RFC 9457) with a stable code.

Raise a Problem anywhere below a route. Only `chassis.http.service` and the gateway render it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

CONTENT_TYPE = "application/problem+json"


class FieldError(msgspec.Struct, frozen=True):
    """One invalid field of a request: `field` is a dotted path (`areas.0.price`), `message` is for people."""

    field: str
    message: str


class Problem(Exception):
    """Base of every error that a client may see.

    The first line of a subclass's docstring is its title. `extra` members (RFC 9457, 3.2) are added to
    the document unchanged.
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
    """The request is not valid."""

    code, status = "validation-failed", 400


class Unauthenticated(Problem):
    """A valid access token is required."""

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
    """This does not exist, or you have no access to it."""

    code, status = "not-found", 404


class MethodNotAllowed(Problem):
    """This route does not support that method."""

    code, status = "method-not-allowed", 405


class PayloadTooLarge(Problem):
    """The request body is too large."""

    code, status = "payload-too-large", 413


class UnsupportedMediaType(Problem):
    """Send the body as application/json."""

    code, status = "unsupported-media-type", 415


class IdempotencyKeyReused(Problem):
    """This idempotency key was used for a different request."""

    code, status = "idempotency-key-reused", 422


class IdempotencyInFlight(Problem):
    """A request with this idempotency key is still in progress."""

    code, status = "idempotency-in-flight", 409


class RateLimited(Problem):
    """Too many requests."""

    code, status = "rate-limited", 429


class InternalError(Problem):
    """Something went wrong on our side."""

    code, status = "internal-error", 500


class Overloaded(Problem):
    """The platform is too busy; try again in a moment."""

    code, status = "overloaded", 503

    def __init__(self, detail: str = "", *, retry_after_s: int = 1, **kwargs: Any) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_s)}, **kwargs)


class Unavailable(Overloaded):
    """A service that this request needs is not available; try again in a moment."""

    code, status = "unavailable", 503


class Draining(Unavailable):
    """This process is about to end; another one serves."""

    code, status = "draining", 503
