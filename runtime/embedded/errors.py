"""What the operator is told."""


class EmbeddedError(Exception):
    """The servers cannot be had. The message is one sentence that says what to do about it."""


class StartCancelled(EmbeddedError):
    """The caller's `should_stop` said yes before the servers were ready; none is left running."""
