"""What handlers are given, told to Litestar and to the OpenAPI document once for all services."""

from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import HeaderParameter

from chassis.auth.tokens import Principal

# `principal: Caller`: who asks. For routes that need a login (chassis.auth.access.provide_principal).
Caller = NamedDependency[Principal]
# `idempotency_key: IdempotencyKey = None`: as it was sent; chassis.http.idempotency checks it.
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="A retry with the same key and body gets the same answer.",
    ),
]
