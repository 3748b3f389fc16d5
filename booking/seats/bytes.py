"""The bytes of a session's seats: one byte a position, for the kind of the seat and its state.

    free held sold blocked
     .    h    s     b      an ordinary seat
     :    H    S     B      an accessible seat
     ;    i    t     c      a companion's seat, beside an accessible one
     ,    I    T     C      a seat of a table or box that is sold as a whole
                     x      a seat that its plan keeps from sale
     |                      no seat: a row ends here
     /                      no seat: an aisle within a row

A layout has only the bytes of free seats, `x` and those of no seat. Clients get the letters of ordinary
seats, without the gaps. lua/shared/states.lua has the same table.
"""

from typing import Literal

State = Literal["held", "sold", "blocked"]

FREE, FREE_ACCESSIBLE, FREE_COMPANION, FREE_WHOLE = b".:;,"
KEPT, AISLE, EDGE = b"x/|"
SEATS = frozenset(b".:;,x")  # of a layout
TAKEN: dict[State, int] = {"held": ord("h"), "sold": ord("s"), "blocked": ord("b")}
TAKEN_BYTES: dict[State, dict[int, int]] = {
    "held": dict(zip(b".:;,", b"hHiI", strict=True)),
    "sold": dict(zip(b".:;,", b"sStT", strict=True)),
    "blocked": dict(zip(b".:;,", b"bBcC", strict=True)),
}

_LAYOUT = bytes.maketrans(b"hsbHSBitcITC", b"...:::;;;,,,")
_LETTERS = bytes.maketrans(b":HSB;itc,ITCx/", b".hsb.hsb.hsbb|")


def layout_of(positions: bytes) -> bytes:
    """The layout of these positions."""
    return positions.translate(_LAYOUT)


def letters_of(positions: bytes) -> bytes:
    """One public letter a position; `|` where there is no seat."""
    return positions.translate(_LETTERS)


def public_form(letters: bytes) -> bytes:
    """One letter a seat in seat_id order (API.md), from the result of `letters_of`."""
    return letters.translate(None, b"|")
