"""What a show is searched by: long texts, folded without keeping anybody waiting."""

import asyncio
import unicodedata
from collections.abc import Iterator

from chassis.texts import is_non_starter, stream_safe

PIECE_MAX = 1000  # characters folded in one go: about a millisecond for the worst
AT_ONCE_MAX = 2000  # characters folded on the event loop, not in a thread
SEARCH_TEXT_MAX = 30_000  # of a show, folded: every search reads it


async def searched_by(*texts: str) -> str:
    """As search_text, a long text in a thread. Who asks holds a connection, so there are only a few."""
    if sum(map(len, texts)) <= AT_ONCE_MAX:
        return search_text(*texts)
    return await asyncio.to_thread(search_text, *texts)


def search_text(*texts: str) -> str:
    """What a show is searched by. Lines keep one field's end from joining the next one's start.

    Folded in pieces: Python's normalisation keeps all other threads waiting, so each piece is short. A
    text of SEARCH_TEXT_MAX characters is found by its beginning: some characters fold to eighteen.
    """
    folded = ("".join(map(_folded, _pieces(stream_safe(text)))).strip() for text in texts)
    return "\n".join(folded)[:SEARCH_TEXT_MAX]


def _pieces(text: str) -> Iterator[str]:
    """Cut where a space is, if there is one, and else where nothing grows together."""
    start = 0
    while len(text) - start > PIECE_MAX:
        end = text.rfind(" ", start + 1, start + PIECE_MAX)
        if end < 0:
            end = start + PIECE_MAX
            while end < len(text) and _grows_together(text[end - 2 : end], text[end]):
                end += 1
        yield text[start:end]
        start = end
    yield text[start:]


def _grows_together(before: str, after: str) -> bool:
    """Combining marks and the letters of a Hangul syllable do."""
    if is_non_starter(after):
        return True
    return _folded(before + after) != _folded(before) + _folded(after)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
