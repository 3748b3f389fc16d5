"""What each ticket of an order costs with fees, and the tax in that. Rules in contracts.prices.

Everything is said ticket by ticket, what there is once in an order too: then any part of it can be refunded
or reported by area and category, and all parts together are the order, to the minor unit.
"""

from collections.abc import Iterable, Sequence

import msgspec

from contracts.booking import ItemFee, ItemTax
from contracts.prices import WHOLE, FeeTerms, PriceTerms, TaxTerms, divide, rounded


class TicketCharges(msgspec.Struct, frozen=True, kw_only=True):
    """What a ticket costs its buyer in all (`paid`), and why.

    fees: its parts of fees that the buyer bears. kept: of these, what goes back only if the session is
    cancelled. tax: contained in `paid`. costs: its parts of fees that the organizer bears.
    """

    paid: int
    fees: tuple[ItemFee, ...]
    kept: int
    tax: tuple[ItemTax, ...]
    costs: tuple[ItemFee, ...]


def charge(prices: Sequence[int], terms: PriceTerms) -> list[TicketCharges]:
    """For each ticket of an order. `prices`: what is paid for each alone, discounts taken off."""
    amounts = [(fee, _over_tickets(fee, prices)) for fee in terms.fees]
    return [
        _of_ticket(price, [(fee, each[place]) for fee, each in amounts if each[place]], terms)
        for place, price in enumerate(prices)
    ]


def _over_tickets(fee: FeeTerms, prices: Sequence[int]) -> list[int]:
    if fee.per == "order" and fee.amount is not None:
        return divide(fee.amount, prices)
    return [fee.of_ticket(price) for price in prices]


def _of_ticket(
    price: int, amounts: Sequence[tuple[FeeTerms, int]], terms: PriceTerms
) -> TicketCharges:
    bought = [(fee, amount) for fee, amount in amounts if fee.borne_by == "buyer"]
    fees = sum(amount for _, amount in bought)
    return TicketCharges(
        paid=price + fees,
        fees=_lines(bought),
        kept=sum(amount for fee, amount in bought if fee.refunded == "when_cancelled"),
        tax=_tax(price, fees, terms.taxes),
        costs=_lines((fee, amount) for fee, amount in amounts if fee.borne_by == "organizer"),
    )


def _lines(amounts: Iterable[tuple[FeeTerms, int]]) -> tuple[ItemFee, ...]:
    return tuple(ItemFee(fee.key, fee.name, amount) for fee, amount in amounts)


def _tax(price: int, fees: int, taxes: Sequence[TaxTerms]) -> tuple[ItemTax, ...]:
    """In the price and in the fees apart, since they may bear different rates."""
    in_price = _contained(price, [tax.rate if tax.on != "fees" else 0 for tax in taxes])
    in_fees = _contained(fees, [tax.rate if tax.on != "tickets" else 0 for tax in taxes])
    amounts = map(int.__add__, in_price, in_fees)
    return tuple(
        ItemTax(tax.name, tax.rate, amount)
        for tax, amount in zip(taxes, amounts, strict=True)
        if amount
    )


def _contained(amount: int, rates: Sequence[int]) -> list[int]:
    """The tax at each of these rates that an amount includes. It is rounded once, for all rates together, and
    divided over them; so it is never more than the amount."""
    rate = sum(rates)
    return divide(rounded(amount * rate, WHOLE + rate), rates)
