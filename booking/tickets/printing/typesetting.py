"""Text as the one font can print it, broken into lines as Chinese and Latin ask for."""

import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

from fontTools.ttLib import TTFont

FONT = Path(__file__).parent / "fonts" / "NotoSansCJKsc-Subset.otf"
MISSING = "〓"  # the geta mark: what a type case without the character prints
ELLIPSIS = "…"
_NOT_FIRST = frozenset("，。、；：？！）》」』】〉”’…·—～%℃,.;:?!)]}")  # never begins a line
_NOT_LAST = frozenset("（《「『【〈“‘([{")  # never ends one
_CJK_FROM = 0x2E80
_SPACES = {"Zs", "Zl", "Zp", "Cc"}
_WITHOUT_SHAPE = {"Cf", "Mn", "Me", "Cs"}  # joiners, marks left over after composing, selectors

Width = Callable[[str], float]


@cache
def printable_characters() -> frozenset[int]:
    """Every code point that the font has."""
    with TTFont(FONT, lazy=True) as font:
        return frozenset(font.getBestCmap())


def printable(text: str) -> str:
    """Composed, on one line; what the font lacks becomes MISSING, what has no shape goes."""
    known = printable_characters()
    out = []
    for character in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(character)
        if kind in _SPACES:
            out.append(" ")
        elif kind not in _WITHOUT_SHAPE and not 0x1F3FB <= ord(character) <= 0x1F3FF:
            out.append(character if ord(character) in known else MISSING)
    return " ".join("".join(out).split())


def lines_of(text: str, width: Width, most: float) -> list[str]:
    """`text` in lines no wider than `most`; Latin words stay whole where they can."""
    lines, line = [], ""
    for word in _words(text):
        for part in _parts(word, width, most):
            if line and width((line + part).rstrip()) > most:
                lines.append(line.rstrip())
                line = part.lstrip()
            else:
                line += part
    return [*lines, line.rstrip()] if line.strip() else lines


def fitted(
    text: str, width: Callable[[str, float], float], most: float, sizes: list[tuple[float, int]]
) -> tuple[float, list[str]]:
    """The first (size, lines at most) that holds the whole text; the last one cuts it with an ellipsis.

    width: of a text at a size.
    """
    for size, count in sizes:
        lines = lines_of(text, partial(_at_size, width, size), most)
        if len(lines) <= count:
            return size, lines
    size, count = sizes[-1]
    lines = lines[:count]
    while lines[-1] and width(lines[-1] + ELLIPSIS, size) > most:
        lines[-1] = lines[-1][:-1]
    lines[-1] += ELLIPSIS
    return size, lines


def _at_size(width: Callable[[str, float], float], size: float, text: str) -> float:
    return width(text, size)


def _words(text: str) -> Iterator[str]:
    """Where a line may break: after a space, and round every Chinese character save punctuation."""
    word = ""
    for character in text:
        joined = character in _NOT_FIRST or (word and word[-1] in _NOT_LAST)
        breaks = ord(character) >= _CJK_FROM or (word and ord(word[-1]) >= _CJK_FROM)
        if word and not joined and (word[-1] == " " or breaks):
            yield word
            word = ""
        word += character
    if word:
        yield word


def _parts(word: str, width: Width, most: float) -> Iterator[str]:
    """A word wider than a line, in pieces."""
    piece = ""
    for character in word:
        if piece and width(piece + character.rstrip()) > most:
            yield piece
            piece = ""
        piece += character
    yield piece
