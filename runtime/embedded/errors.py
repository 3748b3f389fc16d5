"""Errors for the operator."""


class EmbeddedError(Exception):
    """The servers cannot run. The message is one sentence that says what to do."""


class StartCancelled(EmbeddedError):
    """`should_stop` returned true before the servers were ready. None is left running."""
