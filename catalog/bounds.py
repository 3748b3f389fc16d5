"""Bounds of what organizers write, where more than one module needs them."""

from chassis.http.bodies import LINE_BREAKING_CHARACTERS, full_match

PRICE_MAX = 10**10  # minor units

# One line with at least one visible character. PostgreSQL cannot store NUL, and a line break in a
# title would forge a line wherever the title is shown.
LINE = full_match(rf"\x20*[^{LINE_BREAKING_CHARACTERS}\x20][^{LINE_BREAKING_CHARACTERS}]*")
