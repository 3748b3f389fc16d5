"""What an order costs, line by line, from its items: the same in answers, events, mails and on our pages."""

from collections.abc import Iterable, Sequence

import msgspec

from contracts.booking import ItemFee, ItemTax, OrderItem


class Breakdown(msgspec.Struct, frozen=True, kw_only=True):
    """items + the fees − discount = total. `items`: what the tickets alone cost. `discount`: what a promo
    code took off. `tax`: what the total contains of it, by name and rate (basis points)."""

    items: int
    fees: list[ItemFee]
    discount: int
    total: int
    tax: list[ItemTax]


def breakdown_of(items: Sequence[OrderItem], total: int) -> Breakdown:
    """`total`: what is to be paid. Lines are in the order in which the items first have them."""
    price = sum(item.price for item in items)
    fees = fees_of(item.fees for item in items)
    return Breakdown(
        items=price,
        fees=fees,
        discount=price + sum(fee.amount for fee in fees) - total,
        total=total,
        tax=_taxes_of(items),
    )


def fees_of(lines: Iterable[Sequence[ItemFee]]) -> list[ItemFee]:
    """The sum of each fee."""
    sums: dict[tuple[str, str], int] = {}
    for fee in (fee for some in lines for fee in some):
        sums[fee.key, fee.name] = sums.get((fee.key, fee.name), 0) + fee.amount
    return [ItemFee(key, name, amount) for (key, name), amount in sums.items()]


def _taxes_of(items: Sequence[OrderItem]) -> list[ItemTax]:
    sums: dict[tuple[str, int], int] = {}
    for tax in (tax for item in items for tax in item.tax):
        sums[tax.name, tax.rate] = sums.get((tax.name, tax.rate), 0) + tax.amount
    return [ItemTax(name, rate, amount) for (name, rate), amount in sums.items()]
