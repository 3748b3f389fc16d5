"""A ticket's code as a QR picture."""

import io
from typing import Literal

import msgspec
import segno

Format = Literal["svg", "png"]
PNG_SCALE = 8  # pixels a module: readable from a phone held at a gate
BORDER = 4  # modules of quiet zone; ISO/IEC 18004 asks for four


class Symbol(msgspec.Struct, frozen=True):
    """What is drawn: `code` is what the picture holds."""

    code: str
    kind: Format


def draw_symbol(symbol: Symbol) -> bytes:
    """With error correction M: 15% of it may be creased or smudged. Takes some 10 ms."""
    out = io.BytesIO()
    made = segno.make(symbol.code, error="m", micro=False)
    if symbol.kind == "svg":
        made.save(out, kind="svg", scale=PNG_SCALE, border=BORDER)
    else:
        made.save(out, kind="png", scale=PNG_SCALE, border=BORDER)
    return out.getvalue()
