"""Prepares text for the page's font, and breaks lines by the rules of Chinese and Latin text."""

import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

from fontTools.ttLib import TTFont

FONT = Path(__file__).parent / "fonts" / "NotoSansCJKsc-Subset.otf"
MISSING = "〓"  # the geta mark, which stands for a character that the font lacks
ELLIPSIS = "…"
_NOT_FIRST = frozenset("，。、；：？！）》」』】〉”’…·—～%℃,.;:?!)]}")  # never begins a line
_NOT_LAST = frozenset("（《「『【〈“‘([{")  # never ends one
_CJK_FROM = 0x2E80
_SPACES = {"Zs", "Zl", "Zp", "Cc"}
_WITHOUT_SHAPE = {
    "Cf",
    "Mn",
    "Me",
    "Cs",
}  # joiners, marks that did not compose, variation selectors

Width = Callable[[str], float]


@cache
def printable_characters() -> frozenset[int]:
    """Every code point in the font."""
    with TTFont(FONT, lazy=True) as font:
        return frozenset(font.getBestCmap())


def printable(text: str) -> str:
    """The text composed and on one line. Characters that the font lacks become MISSING; characters without a
    shape are removed."""
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
    """Breaks `text` into lines no wider than `most`. Latin words stay whole if they fit."""
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
    """The first (size, maximum of lines) that fits the whole text; the last one cuts it with an ellipsis.

    width: measures a text at a size.
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
    """Splits where a line may break: after a space, and around Chinese characters except punctuation."""
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
    """Splits a word that is wider than a line."""
    piece = ""
    for character in word:
        if piece and width(piece + character.rstrip()) > most:
            yield piece
            piece = ""
        piece += character
    yield piece
