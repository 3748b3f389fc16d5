"""Halls of the demo: plans of venues, with what their sections usually cost."""

from runtime.demo.halls.arena import arena
from runtime.demo.halls.club import club
from runtime.demo.halls.parts import DemoHall, Gallery
from runtime.demo.halls.stadium import concert, match
from runtime.demo.halls.theatre import theatre

__all__ = ["DemoHall", "Gallery", "arena", "club", "concert", "gallery", "match", "theatre"]


def gallery() -> Gallery:
    """An exhibition: a number of visitors per day."""
    return Gallery({"单日票": (98, 800), "亲子双人票": (158, 200)})
