"""The text that a search for shows looks through. Long texts are folded without blocking other
requests."""

import asyncio
import unicodedata
from collections.abc import Callable, Iterator

from chassis.texts import is_non_starter, stream_safe

PIECE_MAX = 1000  # characters folded in one step: about a millisecond in the worst case
AT_ONCE_MAX = 2000  # up to this many characters are folded on the event loop, more in a thread
SEARCH_TEXT_MAX = 30_000  # per show, folded: every search reads it


async def searched_by(*texts: str) -> str:
    """Like search_text, but folds a long text in a thread. The caller holds a connection, so few run at
    once."""
    if sum(map(len, texts)) <= AT_ONCE_MAX:
        return search_text(*texts)
    return await asyncio.to_thread(search_text, *texts)


def search_text(*texts: str, fold: Callable[[str], str] | None = None) -> str:
    """The folded text of a show. Lines keep the end of one field from joining the start of the next.

    Folded in short pieces, because Python's normalisation blocks all other threads. Beyond
    SEARCH_TEXT_MAX characters only the beginning is searched: some characters fold to eighteen.
    """
    folded = ("".join(map(fold or _folded, _pieces(stream_safe(text)))).strip() for text in texts)
    return "\n".join(folded)[:SEARCH_TEXT_MAX]


def _pieces(text: str) -> Iterator[str]:
    """Cuts at a space if there is one, else where no characters combine."""
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
    """True for combining marks and the letters of a Hangul syllable."""
    if is_non_starter(after):
        return True
    return _folded(before + after) != _folded(before) + _folded(after)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
