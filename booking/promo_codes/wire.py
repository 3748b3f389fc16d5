"""Request and response bodies of promo codes. Amounts are in minor units."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from chassis.http.bodies import full_match

Money = Annotated[int, msgspec.Meta(ge=1, le=10**12)]


Uses = Annotated[int, msgspec.Meta(ge=1, le=10**9)]


Time = Annotated[datetime, msgspec.Meta(tz=True)]


class CreatePromoCode(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`value` is a percentage, or a fixed discount in minor units of `currency` (optional if the show has
    one currency). An omitted limit means no limit. `code` is case-insensitive."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    kind: Literal["percent", "fixed"]
    value: Money
    currency: Annotated[str, msgspec.Meta(pattern=full_match("[A-Z]{3}"))] | None = None
    max_uses: Uses | None = None
    max_uses_per_user: Uses | None = None
    valid_from: Time | None = None
    valid_until: Time | None = None


class ChangePromoCode(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Omitted fields stay unchanged; null removes a limit."""

    active: bool | UnsetType = UNSET
    max_uses: Uses | UnsetType | None = UNSET
    max_uses_per_user: Uses | UnsetType | None = UNSET
    valid_from: Time | UnsetType | None = UNSET
    valid_until: Time | UnsetType | None = UNSET


class PromoCodeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`value` is a percentage, or minor units of `currency`. `uses` counts active orders, paid or not."""

    promo_code_id: UUID
    show_id: UUID
    code: str
    kind: Literal["percent", "fixed"]
    value: int
    currency: str | None
    max_uses: int | None
    max_uses_per_user: int | None
    valid_from: datetime | None
    valid_until: datetime | None
    active: bool
    uses: int
    created_at: datetime


class PromoCodePage(msgspec.Struct, frozen=True, kw_only=True):
    promo_codes: list[PromoCodeAnswer]
    page: int
    page_size: int
    total: int
