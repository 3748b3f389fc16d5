"""What an order costs: the prices of its seats, and what a promo code takes off. Minor units."""

from collections.abc import Sequence

from booking.domain.problems import PromoCodeNotValid
from booking.domain.promotion import discount_of, paid_of
from booking.orders.records import Price, Redemption
from booking.promo_codes.store import PromoCode
from contracts.booking import OrderItem


def price_of(items: Sequence[OrderItem], currency: str, promo: PromoCode | None) -> Price:
    """Raises PromoCodeNotValid for a code of another currency than the order's.

    Whether the code may be used now is judged when its use is counted (placing_store.py); what it
    takes off never changes.
    """
    prices = [item.price for item in items]
    amount = sum(prices)
    if promo is None:
        return Price(amount)
    if promo.currency not in {None, currency}:
        raise PromoCodeNotValid("This promo code is for another currency.")
    discount = discount_of(promo.kind, promo.value, amount)
    redemption = Redemption(
        promo_code_id=promo.promo_code_id,
        code=promo.code,
        original_amount=amount,
        discount=discount,
        paid=paid_of(prices, discount),
    )
    return Price(amount - discount, redemption)
