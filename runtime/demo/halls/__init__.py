"""Halls of the demo: plans of venues, with what their sections usually cost."""

from typing import Any

from runtime.demo.halls.arena import arena
from runtime.demo.halls.club import club
from runtime.demo.halls.parts import DemoHall
from runtime.demo.halls.stadium import concert, match
from runtime.demo.halls.theatre import theatre

__all__ = ["DemoHall", "arena", "club", "concert", "gallery", "match", "theatre"]


def gallery(scale: int = 100) -> list[dict[str, Any]]:
    """An exhibition, without a plan: a number of visitors per day. Prices in fen."""
    return [
        {"name": name, "kind": "standing", "price": price * scale, "capacity": capacity}
        for name, price, capacity in (("单日票", 98, 800), ("亲子双人票", 158, 200))
    ]
