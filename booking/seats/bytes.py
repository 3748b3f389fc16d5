"""The bytes of a session's seats: what a seat is, and what has become of it, in one byte a position.

    free held sold blocked
     .    h    s     b      an ordinary seat
     :    H    S     B      an accessible seat
     |                      no seat: a row ends here
     /                      no seat: an aisle within a row

A layout has only the free ones. Clients read the ordinary letters, without the gaps.
"""

FREE = ord(".")
FREE_ACCESSIBLE = ord(":")
TAKEN = {"held": ord("h"), "sold": ord("s"), "blocked": ord("b")}
TAKEN_ACCESSIBLE = {"held": ord("H"), "sold": ord("S"), "blocked": ord("B")}

_LAYOUT = bytes.maketrans(b"hsbHSB", b"...:::")
_LETTERS = bytes.maketrans(b":HSB/", b".hsb|")


def layout_of(positions: bytes) -> bytes:
    """The layout that these positions are of."""
    return positions.translate(_LAYOUT)


def letters_of(positions: bytes) -> bytes:
    """A letter of the public form a position, and `|` where there is no seat."""
    return positions.translate(_LETTERS)


def public_form(letters: bytes) -> bytes:
    """A letter a seat in seat_id order (API.md), of `letters_of`."""
    return letters.translate(None, b"|")
