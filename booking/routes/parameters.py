"""Request parameters that several routes share."""

from typing import Annotated, Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter

from booking.composition import Booking
from chassis.auth.tokens import Principal
from chassis.http.idempotency import check_key
from chassis.problems import (
    FieldError,
    IdempotencyInFlight,
    IdempotencyKeyReused,
    ValidationFailed,
)

Asker = NamedDependency[Principal]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="A retry with the same key and body gets the same answer.",
    ),
]
ONCE = (IdempotencyInFlight, IdempotencyKeyReused)  # problems of an Idempotency-Key
REPLAYED = {"Idempotency-Replayed": "true"}
ORGANIZERS = ("organizer", "admin")  # roles; the use case checks ownership


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
