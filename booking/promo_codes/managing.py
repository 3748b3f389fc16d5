"""Managing promo codes: for the show's organizer, and for admins."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import UNSET

from booking.domain.promotion import CODE_LENGTH_MAX, CODE_LENGTH_MIN, PERCENT_MAX, normalise_code
from booking.promo_codes import store
from booking.promo_codes.store import PromoCode
from booking.promo_codes.wire import (
    ChangePromoCode,
    CreatePromoCode,
    PromoCodeAnswer,
    PromoCodePage,
)
from chassis.auth.tokens import Principal
from chassis.clock import second, whole_second
from chassis.http.pagination import offset
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection, transaction
from chassis.problems import FieldError, NotFound, ValidationFailed
from chassis.seam.client import ServiceClient
from contracts.catalog import SHOW_PATH, ShowTerms

log = logs.get("booking")

YEAR_MIN, YEAR_MAX = 2000, 2200  # PostgreSQL and every client can represent these


async def create_promo_code(
    tx: Connection, show: ShowTerms, wanted: CreatePromoCode
) -> PromoCodeAnswer:
    """Creates a code in the caller's transaction. Raises PromoCodeTaken, ValidationFailed."""
    columns = _columns(show, wanted)
    made = await store.insert_promo_code(tx, promo_code_id=uuid7(), show_id=show.show_id, **columns)
    log.info("promo_code_created", promo_code=made.promo_code_id, show=show.show_id)
    return answer_of(made)


class PromoCodes:
    """Every method raises NotFound for shows and codes that are not the caller's."""

    def __init__(self, pool: Pool, catalog: ServiceClient) -> None:
        self._pool = pool
        self._catalog = catalog

    async def of_show(
        self, principal: Principal, show_id: UUID, *, page: int, page_size: int
    ) -> PromoCodePage:
        """Newest first, each with its uses by active orders."""
        await self.own_show(principal, show_id)
        async with connection(self._pool) as db:
            codes, total = await store.list_promo_codes(
                db, show_id, limit=page_size, offset=offset(page, page_size)
            )
        return PromoCodePage(
            promo_codes=[answer_of(code) for code in codes],
            page=page,
            page_size=page_size,
            total=total,
        )

    async def change(
        self, principal: Principal, promo_code_id: UUID, change: ChangePromoCode
    ) -> PromoCodeAnswer:
        """Omitted fields stay unchanged. Existing orders keep their price."""
        async with connection(self._pool) as db:
            show_id = await store.promo_code_show(db, promo_code_id)
        if show_id is None:
            raise NotFound()
        await self.own_show(principal, show_id)
        async with transaction(self._pool) as tx:
            now = await store.lock_promo_code(tx, promo_code_id)
            if now is None:
                raise NotFound()
            changed = await store.change_promo_code(tx, promo_code_id, _changed(now, change))
        if changed is None:
            raise NotFound()
        log.info("promo_code_changed", promo_code=promo_code_id, active=changed.active)
        return answer_of(changed)

    async def own_show(self, principal: Principal, show_id: UUID) -> ShowTerms:
        show = await self._catalog.get(SHOW_PATH.format(show_id=show_id), ShowTerms)
        if show is None or not principal.may_manage(show.organizer_id):
            raise NotFound()
        return show


def answer_of(code: PromoCode) -> PromoCodeAnswer:
    return PromoCodeAnswer(
        promo_code_id=code.promo_code_id,
        show_id=code.show_id,
        code=code.code,
        kind=code.kind,
        value=code.value,
        currency=code.currency,
        max_uses=code.max_uses,
        max_uses_per_user=code.max_uses_per_user,
        valid_from=second(code.valid_from),
        valid_until=second(code.valid_until),
        active=code.active,
        uses=code.uses,
        created_at=whole_second(code.created_at),
    )


def _columns(show: ShowTerms, wanted: CreatePromoCode) -> dict[str, Any]:
    code = normalise_code(wanted.code)
    if code is None:
        length = f"{CODE_LENGTH_MIN} to {CODE_LENGTH_MAX}"
        raise _wrong("code", f"must be {length} letters A-Z, digits, hyphens or underscores")
    if wanted.kind == "percent" and wanted.value > PERCENT_MAX:
        raise _wrong("value", f"must be at most {PERCENT_MAX} per cent")
    _check_window(wanted.valid_from, wanted.valid_until)
    return {
        "code": code,
        "kind": wanted.kind,
        "value": wanted.value,
        "currency": _currency(show, wanted),
        "max_uses": wanted.max_uses,
        "max_uses_per_user": wanted.max_uses_per_user,
        "valid_from": wanted.valid_from,
        "valid_until": wanted.valid_until,
    }


def _currency(show: ShowTerms, wanted: CreatePromoCode) -> str | None:
    """The currency of a fixed amount: the given one, else the show's only one."""
    if wanted.kind == "percent":
        if wanted.currency is not None:
            raise _wrong("currency", "is only for a fixed amount")
        return None
    if wanted.currency is not None:
        return wanted.currency
    if len(show.currencies) != 1:
        raise _wrong("currency", "is required: the show does not have exactly one currency")
    return show.currencies[0]


def _changed(now: PromoCode, change: ChangePromoCode) -> dict[str, Any]:
    names = ("active", "max_uses", "max_uses_per_user", "valid_from", "valid_until")
    sent = {name: getattr(change, name) for name in names}
    then = {name: getattr(now, name) if value is UNSET else value for name, value in sent.items()}
    if then["max_uses"] is not None and then["max_uses"] < now.uses:
        raise _wrong("max_uses", f"must be at least {now.uses}, the number of current uses")
    _check_window(then["valid_from"], then["valid_until"])
    return then


def _check_window(valid_from: datetime | None, valid_until: datetime | None) -> None:
    for field, moment in (("valid_from", valid_from), ("valid_until", valid_until)):
        if moment is not None and not YEAR_MIN <= moment.year < YEAR_MAX:
            raise _wrong(field, f"must be in the years {YEAR_MIN} to {YEAR_MAX - 1}")
    if valid_from is not None and valid_until is not None and valid_from >= valid_until:
        raise _wrong("valid_until", "must be after valid_from")


def _wrong(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(errors=[FieldError(field, message)])
