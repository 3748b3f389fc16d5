"""Where seats are: what catalog, booking and the seat map share about a hall's geometry.

One unit is the usual distance between the centres of two neighbouring seats, about half a metre. x grows to
the right and y away from the stage, as an end stage's audience is seen from above. Angles are in degrees,
from the x axis towards the y axis. All coordinates are of seats' centres.
"""

import msgspec


class Line(msgspec.Struct, frozen=True, array_like=True, tag="line"):
    """A straight run of seats: seat i (from 0) is at (x + i * dx, y + i * dy)."""

    x: float
    y: float
    dx: float
    dy: float


class Arc(msgspec.Struct, frozen=True, array_like=True, tag="arc"):
    """A curved run: seat i (from 0) is on the circle around (x, y), at the angle start + i * step."""

    x: float
    y: float
    radius: float
    start: float
    step: float


Course = Line | Arc
