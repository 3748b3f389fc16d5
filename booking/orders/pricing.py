"""What an order costs: the prices of its seats, what a promo code takes off, and fees on the rest. Minor
units."""

from collections.abc import Sequence

from booking.domain.problems import PromoCodeNotValid
from booking.domain.promotion import discount_of
from booking.orders.records import Price, Redemption
from booking.prices.charging import charge
from booking.promo_codes.store import PromoCode
from contracts.booking import OrderItem
from contracts.prices import PriceTerms, divide


def price_of(
    items: Sequence[OrderItem],
    currency: str,
    promo: PromoCode | None,
    terms: PriceTerms | None = None,
) -> Price:
    """Raises PromoCodeNotValid for a code of another currency than the order's.

    Whether the code may be used now is judged when its use is counted (placing_store.py); what it
    takes off never changes.
    """
    prices = [item.price for item in items]
    redemption = None if promo is None else _redemption(prices, currency, promo)
    paid = prices if redemption is None else redemption.paid
    if terms is None or not (terms.fees or terms.taxes):
        return Price(sum(paid), redemption)
    charges = charge(paid, terms)
    return Price(sum(one.paid for one in charges), redemption, charges)


def _redemption(prices: list[int], currency: str, promo: PromoCode) -> Redemption:
    if promo.currency not in {None, currency}:
        raise PromoCodeNotValid("This promo code is for another currency.")
    amount = sum(prices)
    discount = discount_of(promo.kind, promo.value, amount)
    return Redemption(
        promo_code_id=promo.promo_code_id,
        code=promo.code,
        original_amount=amount,
        discount=discount,
        paid=paid_of(prices, discount),
    )


def paid_of(prices: Sequence[int], discount: int) -> list[int]:
    """What is paid for each seat: its share of the discount off its price. No seat is paid less than
    nothing for, so any part of the order can be refunded."""
    shares = divide(discount, prices)
    return [price - share for price, share in zip(prices, shares, strict=True)]
