"""What several routes read from a request."""

from typing import Annotated, Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import HeaderParameter

from booking.services import Booking
from chassis.auth.tokens import Principal
from chassis.http.idempotency import check_key
from chassis.problems import FieldError, ValidationFailed

Asker = NamedDependency[Principal]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", description="Same key, same body: same answer."),
]
REPLAYED = {"Idempotency-Replayed": "true"}


def booking_of(request: Request[Any, Any, Any]) -> Booking:
    booking: Booking = request.app.state.booking
    return booking


def key_of(booking: Booking, header: str | None) -> str | None:
    """The checked key; raises ValidationFailed without one where this installation requires it."""
    key = check_key(header)
    if key is None and booking.require_idempotency_key:
        raise ValidationFailed(errors=[FieldError("Idempotency-Key", "is required")])
    return key
