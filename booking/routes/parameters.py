"""Request parameters that several routes share."""

from typing import Any

from litestar import Request
from litestar.openapi.datastructures import ResponseSpec

from booking.composition import Booking
from chassis.http.idempotency import check_key
from chassis.problems import FieldError, ValidationFailed

REPLAYED = {"Idempotency-Replayed": "true"}


def booking_of(request: Request[Any, Any, Any]) -> Booking:
    booking: Booking = request.app.state.booking
    return booking


def key_of(booking: Booking, header: str | None) -> str | None:
    """The checked key. Raises ValidationFailed if it is missing and this installation requires it."""
    key = check_key(header)
    if key is None and booking.require_idempotency_key:
        raise ValidationFailed(errors=[FieldError("Idempotency-Key", "is required")])
    return key


def answers(kind: type[Any], status: int, description: str) -> dict[int, ResponseSpec]:
    """The OpenAPI response of a handler that builds its own Response."""
    return {status: ResponseSpec(kind, generate_examples=False, description=description)}
