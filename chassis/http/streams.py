"""Which routes are event streams: their duration means nothing, and they end when a process drains."""

_ENDINGS = ("/stream", "/operations/wall")


def is_stream(path: str) -> bool:
    """`path`: one that was asked for, or a route's template."""
    return path.endswith(_ENDINGS)
