"""Text from outside, checked so that normalising it takes time proportional to its length.

Unicode normalisation sorts each run of combining marks (non-starters) by class, and CPython uses
insertion sort: 20,000 marks in one run take a second. No language needs more than a few in a row. UAX #15
(section 13, Stream-Safe Text Format) allows 30. A text with a longer run is refused on arrival
(chassis.http.bodies), before it is normalised.
"""

import re
import unicodedata
from functools import cache

NON_STARTERS_MAX = 30  # in a row
# The blocks where Unicode has non-starters. A test checks if a newer Unicode has some elsewhere.
_BLOCKS = (
    (0x0300, 0x3100),
    (0xA600, 0xAC00),
    (0xFB00, 0x10000),
    (0x10100, 0x11F80),
    (0x16100, 0x17000),
    (0x1BC00, 0x1F000),
)


def is_stream_safe(text: str) -> bool:
    """True if no run of non-starters is longer than NON_STARTERS_MAX, in any form (NFC to NFKD).

    A longer run includes an index that is a multiple of NON_STARTERS_MAX + 1, so hardly any text is read
    whole.
    """
    if text.isascii() or len(text) <= NON_STARTERS_MAX:
        return True
    one, run = _patterns()
    return one.search(text[:: NON_STARTERS_MAX + 1]) is None or run.search(text) is None


def stream_safe(text: str) -> str:
    """The text with each longer run cut to its first NON_STARTERS_MAX, for text stored before such runs
    were refused."""
    if is_stream_safe(text):
        return text
    _, run = _patterns()
    return run.sub(lambda found: found[0][:NON_STARTERS_MAX], text)


def non_starters() -> list[int]:
    """Code points whose compatibility decomposition begins with a combining mark."""
    return [
        code for first, end in _BLOCKS for code in range(first, end) if is_non_starter(chr(code))
    ]


def is_non_starter(character: str) -> bool:
    """Some are starters themselves (half-width ﾞ), but not once they are decomposed."""
    if unicodedata.decomposition(character):
        character = unicodedata.normalize("NFKD", character)[0]
    return unicodedata.combining(character) != 0


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A pattern for one non-starter, and one for a run that is too long."""
    marks = "".join(map(chr, non_starters()))
    return re.compile(f"[{marks}]"), re.compile(f"[{marks}]{{{NON_STARTERS_MAX + 1},}}")
