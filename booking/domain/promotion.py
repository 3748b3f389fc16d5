"""What a promo code takes off an order, and how the rest divides over its seats. Minor units."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

Kind = Literal["percent", "fixed"]

CODE_LENGTH_MIN, CODE_LENGTH_MAX = 3, 32
PERCENT_MAX = 100
_CODE = re.compile(rf"[A-Z0-9_-]{{{CODE_LENGTH_MIN},{CODE_LENGTH_MAX}}}")


def normalise_code(text: str) -> str | None:
    """The one form of a code: capitals, half width, without blanks round it. None: no code at all."""
    code = unicodedata.normalize("NFKC", text).strip().upper()
    return code if _CODE.fullmatch(code) else None


def discount_of(kind: Kind, value: int, amount: int) -> int:
    """Off the whole order, never more than it costs. A percentage is cut to the whole minor unit."""
    return min(value, amount) if kind == "fixed" else amount * value // PERCENT_MAX


def paid_of(prices: Sequence[int], discount: int) -> list[int]:
    """What is paid for each seat: its share of the discount off its price.

    The shares are in proportion to the prices and add up exactly (largest remainder, earlier seats
    first), and no seat is paid less than nothing for; so any part of the order can be refunded.
    """
    amount = sum(prices)
    if amount == 0:
        return list(prices)
    shares = [price * discount // amount for price in prices]
    by_remainder = sorted(range(len(prices)), key=lambda n: -(prices[n] * discount % amount))
    for place in by_remainder[: discount - sum(shares)]:
        shares[place] += 1
    return [price - share for price, share in zip(prices, shares, strict=True)]
