"""What a promo code takes off an order, in minor units."""

import re
import unicodedata
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
