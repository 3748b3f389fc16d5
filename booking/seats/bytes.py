"""The bytes of a session's seats: one byte a position, for the kind of the seat and its state.

    free held sold blocked
     .    h    s     b      an ordinary seat
     :    H    S     B      an accessible seat
     |                      no seat: a row ends here
     /                      no seat: an aisle within a row

A layout has only the bytes of free seats. Clients get the ordinary letters, without the gaps.
"""

FREE = ord(".")
FREE_ACCESSIBLE = ord(":")
TAKEN = {"held": ord("h"), "sold": ord("s"), "blocked": ord("b")}
TAKEN_ACCESSIBLE = {"held": ord("H"), "sold": ord("S"), "blocked": ord("B")}

_LAYOUT = bytes.maketrans(b"hsbHSB", b"...:::")
_LETTERS = bytes.maketrans(b":HSB/", b".hsb|")


def layout_of(positions: bytes) -> bytes:
    """The layout of these positions."""
    return positions.translate(_LAYOUT)


def letters_of(positions: bytes) -> bytes:
    """One public letter a position; `|` where there is no seat."""
    return positions.translate(_LETTERS)


def public_form(letters: bytes) -> bytes:
    """One letter a seat in seat_id order (API.md), from the result of `letters_of`."""
    return letters.translate(None, b"|")
