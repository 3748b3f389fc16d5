"""The languages that there are, and the one that somebody reads.

A language is a folder in `languages/`, named by its ISO 639 code. Whoever adds a folder adds a language, and
nothing else knows a list of them: settings, the API's enum, mails, paper and pages all ask here
(docs/adr/0044). Texts are read once, at the start; a text that is missing or not known stops it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import msgspec

FOLDER = Path(__file__).resolve().parents[1] / "languages"
HOME = "zh"  # what the shows are in: the default's default, first in every list, what others are measured by
ACCEPTED_MAX = 20  # entries of an Accept-Language header that are looked at

Texts = TypeVar("Texts")


class LanguageError(Exception):
    """A folder of a language is not whole. Names the file."""


class Language(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`language.toml`. `name`: its own, as a reader looks for it. `tag`: BCP 47, for `lang` and browsers'
    Intl. `locale`: how CLDR calls it, for prices and dates. `moment`: CLDR's pattern of a day and an hour.
    `moment_in_zone`: that with the name of the clock it is by."""

    name: str
    tag: str
    locale: str
    moment: str
    moment_in_zone: str


def codes_in(folder: Path) -> list[str]:
    """HOME, then the others by their codes. Raises LanguageError on a folder that no code names."""
    found = [path.name for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._"]
    for code in found:
        if not (code.isascii() and code.isalpha() and code.islower() and len(code) in {2, 3}):
            raise LanguageError(f"languages/{code} is not named by an ISO 639 code such as en.")
    return sorted(found, key=lambda code: (code != HOME, code))


def read_texts(folder: Path, file: str, kind: type[Texts]) -> dict[str, Texts]:
    """`file` of every language in `folder`, by its code. Raises LanguageError."""
    found = {}
    for code in codes_in(folder):
        try:
            found[code] = msgspec.toml.decode((folder / code / file).read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError, ValueError) as wrong:
            raise LanguageError(f"languages/{code}/{file}: {wrong}") from None
    return found


def texts(file: str, kind: type[Texts]) -> dict[str, Texts]:
    """`file` of every language that there is, by its code."""
    return read_texts(FOLDER, file, kind)


LANGUAGES = texts("language.toml", Language)
if TYPE_CHECKING:
    Code: TypeAlias = str
else:
    Code = Literal[
        tuple(LANGUAGES)
    ]  # so that a body's locale is one of them, and OpenAPI lists them


class Reader(msgspec.Struct, frozen=True):
    """Who reads an answer, as far as is known: `chosen`, what they have chosen, the nearest first;
    `accepts`, the Accept-Language of their browser or client."""

    chosen: tuple[str | None, ...] = ()
    accepts: str | None = None

    def language(self, default: str) -> str:
        """The one order: what they chose, what their browser or client asks for, the default. What we do
        not speak and what is malformed is passed over: a language is a wish, never an error."""
        for wish in self.chosen:
            if wish is not None and (code := code_of(wish)) in LANGUAGES:
                return code
        return _best_accepted(self.accepts or "") or default


def code_of(tag: str) -> str:
    """`zh-Hans-CN`, `zh_TW` → `zh`."""
    return tag.strip().lower().replace("_", "-").partition("-")[0]


def _best_accepted(header: str) -> str | None:
    """The best liked that we speak, the first of several (RFC 9110, 12.5.4)."""
    best, best_weight = None, 0.0
    for part in header.split(",")[:ACCEPTED_MAX]:
        tag, _, parameter = part.partition(";")
        weight = _weight(parameter)
        if weight > best_weight and (code := code_of(tag)) in LANGUAGES:
            best, best_weight = code, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().lower().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(float(value), 1.0)
    except ValueError:
        return 0.0
