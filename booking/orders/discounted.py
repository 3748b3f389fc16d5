"""Orders with a promo code: a path of their own, one transaction an order.

The order is priced, placed by the hot path's own statement, and the code's use is counted last, all in
one transaction: an order that lives has its use counted, one that was refused has not.
"""

import msgspec

from booking.domain.problems import PromoCodeNotValid
from booking.domain.promotion import discount_of, paid_of
from booking.orders.placing_store import place_one
from booking.orders.records import NewOrder, PlacedOrder, Redeemed
from booking.promo_codes.store import PromoCode, redeem_promo_code
from booking.refusals import refusals
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, transaction
from chassis.problems import Unavailable

log = logs.get("booking")


class PlaceWithPromoCode:
    """`await place(order, promo)` → the order as it was priced, and as it was placed.

    promo: as promo_codes.guessing has found it. What a code takes off never changes; whether it may be
    used now is judged when its use is counted.
    """

    def __init__(self, pool: Pool, *, hold_ttl_s: int) -> None:
        self._pool = pool
        self._hold_ttl_s = hold_ttl_s

    async def place(self, order: NewOrder, promo: PromoCode) -> tuple[NewOrder, PlacedOrder]:
        """Raises the promo code's problems beside those of placing; whatever is raised but
        Unavailable has left nothing behind."""
        try:
            with refusals():
                async with transaction(self._pool) as tx:
                    return await self._place(tx, order, promo)
        except TimeoutError:  # the outcome is not known; the sweeper will find out
            raise Unavailable("The database did not answer in time.") from None

    async def _place(
        self, tx: Connection, order: NewOrder, promo: PromoCode
    ) -> tuple[NewOrder, PlacedOrder]:
        if promo.currency not in {None, order.terms.currency}:
            raise PromoCodeNotValid("This promo code is for another currency.")
        discount = discount_of(promo.kind, promo.value, order.total_amount)
        paid = paid_of([item.price for item in order.items], discount)
        priced = _priced(order, promo, discount)
        placed = await place_one(tx, priced, self._hold_ttl_s)
        if not await redeem_promo_code(
            tx,
            promo.promo_code_id,
            order_id=order.order_id,
            user_id=order.user_id,
            discount=discount,
            paid={item.seat_id: each for item, each in zip(order.items, paid, strict=True)},
        ):
            raise PromoCodeNotValid()
        return priced, placed


def _priced(order: NewOrder, promo: PromoCode, discount: int) -> NewOrder:
    """With the total that is to be paid, in what is told of it as well."""
    total = order.total_amount - discount
    about = {"promo_code": promo.code, "original_amount": order.total_amount, "discount": discount}
    return msgspec.structs.replace(
        order,
        total_amount=total,
        created=_with(order.created, {"total_amount": total}),
        history=_with(order.history, {"total_amount": total, **about}),
        redeemed=Redeemed(promo.code, order.total_amount, discount),
    )


def _with(document: str, changes: dict[str, object]) -> str:
    return msgspec.json.encode({**msgspec.json.decode(document), **changes}).decode()
