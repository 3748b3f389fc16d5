"""What several routes read from a request."""

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
    HeaderParameter(name="Idempotency-Key", description="Same key, same body: same answer."),
]
ONCE = (IdempotencyInFlight, IdempotencyKeyReused)  # what a key may meet
REPLAYED = {"Idempotency-Replayed": "true"}
ORGANIZERS = ("organizer", "admin")  # who may ask at all; whose it is, the use case looks at


def booking_of(request: Request[Any, Any, Any]) -> Booking:
    booking: Booking = request.app.state.booking
    return booking


def key_of(booking: Booking, header: str | None) -> str | None:
    """The checked key; raises ValidationFailed without one where this installation requires it."""
    key = check_key(header)
    if key is None and booking.require_idempotency_key:
        raise ValidationFailed(errors=[FieldError("Idempotency-Key", "is required")])
    return key


def answers(kind: type[Any], status: int, description: str) -> dict[int, ResponseSpec]:
    """What OpenAPI says of an answer that the handler makes itself."""
    return {status: ResponseSpec(kind, generate_examples=False, description=description)}
