"""What the storefront says, made at the start from `languages/`: one module with the words of all languages,
and the few texts that stand in the page itself."""

from html import escape
from pathlib import Path

import msgspec

from chassis.languages import FOLDER, LANGUAGES, LanguageError
from contracts.seats import SEAT_WORDS, SeatWords

MODULE = "js/languages.js"
WORDS = "storefront"  # the folder within a language's

Words = dict[str, str]


class Spoken(msgspec.Struct, frozen=True):
    """A language as the storefront's scripts know it."""

    name: str
    tag: str
    seats: SeatWords
    words: Words


def read_words(folder: Path, code: str, page: str = WORDS) -> Words:
    """Every sentence of the page, from all files of the language. Raises LanguageError."""
    words: Words = {}
    for path in sorted((folder / code / page).glob("*.toml")):
        try:
            more = msgspec.toml.decode(path.read_bytes(), type=Words)
        except (msgspec.DecodeError, ValueError) as wrong:
            raise LanguageError(f"languages/{code}/{page}/{path.name}: {wrong}") from None
        if twice := words.keys() & more.keys():
            raise LanguageError(f"languages/{code}/{page} says {', '.join(sorted(twice))} twice.")
        words |= more
    return words


def spoken_languages() -> dict[str, Spoken]:
    """All of them, by their codes."""
    return {
        code: Spoken(language.name, language.tag, SEAT_WORDS[code], read_words(FOLDER, code))
        for code, language in LANGUAGES.items()
    }


def languages_module(spoken: dict[str, Spoken], default: str) -> bytes:
    """The script: what there is, and what readers of none of it are shown."""
    return b"// Made at the start from languages/.\n" + b"".join(
        b"export const %s = %s;\n" % (name, msgspec.json.encode(value))
        for name, value in ((b"DEFAULT", default), (b"LANGUAGES", spoken))
    )


def with_texts(page: str, spoken: dict[str, Spoken], default: str) -> str:
    """The page with the default language as its own until scripts run, and what is said without them in
    every language, the default first."""
    ordered = sorted(spoken.values(), key=lambda one: one is not spoken[default])
    texts = {
        "{{ lang }}": escape(spoken[default].tag),
        "{{ description }}": escape(" ".join(one.words["page.description"] for one in ordered)),
        "{{ noscript }}": " ".join(
            f'<span lang="{escape(one.tag)}">{escape(one.words["page.noscript"])}</span>'
            for one in ordered
        ),
    }
    for place, text in texts.items():
        page = page.replace(place, text)
    return page
