"""A language is one folder: what is missing in one is found here; and which one somebody reads."""

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import jinja2
import pytest
from babel.dates import format_datetime
from jinja2 import meta, nodes

from booking.tickets.printing.typesetting import MISSING, printable
from booking.tickets.printing.words import WORDS as TICKET_WORDS
from booking.tickets.printing.words import words_of
from chassis.languages import (
    FOLDER,
    HOME,
    LANGUAGES,
    Code,
    Language,
    LanguageError,
    Reader,
    codes_in,
    read_texts,
)
from chassis.settings import Settings, SettingsError, load
from contracts.seats import seat_line
from gateway.pages.languages import read_words
from notification.messages.planning import KINDS, MESSAGES
from tests.architecture.source import ROOMS, ROOT

PLACE = re.compile(r"\{\w+\}")
OTHERS = [code for code in LANGUAGES if code != HOME]
every_language = pytest.mark.parametrize("code", LANGUAGES)
every_other = pytest.mark.parametrize("code", OTHERS)


def files_of(code: str) -> dict[str, Path]:
    root = FOLDER / code
    return {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}


def texts_in(path: Path) -> dict[str, list[str]]:
    """Each key of a file with the places that its text leaves open."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return {key: sorted(set(PLACE.findall(str(text)))) for key, text in found.items()}


def names_in(path: Path) -> set[str]:
    """What a template says of what it is given: `money`, `order.title`."""
    tree = jinja2.Environment().parse(path.read_text(encoding="utf-8"))
    given = meta.find_undeclared_variables(tree)
    found = set(given)
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if not isinstance(node.node, nodes.Name) or node.node.name not in given:
            continue
        if isinstance(node, nodes.Getattr):
            found.add(f"{node.node.name}.{node.attr}")
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            found.add(f"{node.node.name}.{node.arg.value}")
    return found


def test_there_are_languages_and_the_default_is_one() -> None:
    assert len(LANGUAGES) >= 2
    assert Settings().default_language == HOME == next(iter(LANGUAGES))
    assert get_args(Code) == tuple(LANGUAGES)


@every_other
def test_a_language_has_every_file_that_the_others_have(code: str) -> None:
    assert files_of(code).keys() == files_of(HOME).keys()


@every_other
@pytest.mark.parametrize("file", sorted(name for name in files_of(HOME) if ".toml" in name))
def test_a_language_has_every_text_with_the_same_places(code: str, file: str) -> None:
    """A text for a count of one may be left out where it is the other's, and need not say the number."""
    own, home = texts_in(files_of(code)[file]), texts_in(files_of(HOME)[file])
    for here, there in ((own, home), (home, own)):
        lacking = {
            key for key in here.keys() - there.keys() if key.removesuffix(".one") not in there
        }
        assert lacking == set()
    assert {key: own[key] for key in own.keys() & home.keys() if not key.endswith(".one")} == {
        key: home[key] for key in own.keys() & home.keys() if not key.endswith(".one")
    }
    for texts in (own, home):
        for key in (key for key in texts if key.endswith(".one")):
            assert set(texts[key]) <= set(texts[key.removesuffix(".one")])


@every_other
@pytest.mark.parametrize("file", sorted(name for name in files_of(HOME) if ".toml" not in name))
def test_a_template_says_all_that_it_says_in_another_language(code: str, file: str) -> None:
    assert names_in(files_of(code)[file]) == names_in(files_of(HOME)[file])


@every_language
def test_every_message_has_a_template(code: str) -> None:
    wanted = {
        f"messages/{template}.{ending}"
        for kind in KINDS
        for template, channel in MESSAGES[kind]
        for ending in {"email": ("subject.txt", "txt", "html"), "sms": ("subject.txt", "sms.txt")}[
            channel
        ]
    }
    assert len(wanted) > 30
    assert wanted <= files_of(code).keys()


@every_language
def test_no_text_is_empty(code: str) -> None:
    for name, path in files_of(code).items():
        content = path.read_text(encoding="utf-8")
        texts = tomllib.loads(content).items() if name.endswith(".toml") else [(name, content)]
        assert [key for key, text in texts if not str(text).strip()] == [], name
    assert len(read_words(FOLDER, code)) > 400


@every_language
def test_the_font_has_what_a_ticket_says(code: str) -> None:
    language = LANGUAGES[code]
    moments = [
        format_datetime(
            datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=each),
            language.moment,
            locale=language.locale,
        )
        for each in range(365)
    ]
    for text in (*words_of(TICKET_WORDS[code]), *moments):
        assert MISSING not in printable(text), text


def test_folders_hold_texts_and_every_kind_is_packaged() -> None:
    kinds = {Path(name).suffix for code in LANGUAGES for name in files_of(code)}
    assert kinds <= {".toml", ".html", ".txt"}
    with (ROOT / "pyproject.toml").open("rb") as file:
        told = tomllib.load(file)["tool"]["setuptools"]
    assert {f"**/*{kind}" for kind in kinds} <= set(told["package-data"]["*"])
    assert "languages*" in told["packages"]["find"]["include"]


def write(folder: Path, code: str, text: str) -> None:
    (folder / code).mkdir()
    (folder / code / "language.toml").write_text(text, encoding="utf-8")


WHOLE = (FOLDER / HOME / "language.toml").read_text(encoding="utf-8")


def test_a_new_folder_is_a_new_language(tmp_path: Path) -> None:
    for code in ("nl", "en", HOME):
        write(tmp_path, code, WHOLE)
    (tmp_path / "__pycache__").mkdir()
    assert codes_in(tmp_path) == [HOME, "en", "nl"]
    assert list(read_texts(tmp_path, "language.toml", Language)) == [HOME, "en", "nl"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (WHOLE.replace("name", "nom"), "missing required field|unknown field"),
        (WHOLE + 'more = "x"\n', "unknown field `more`"),
        ("name =", "nl/language.toml"),
    ],
)
def test_a_text_that_is_missing_or_not_known_stops_the_start_and_is_named(
    tmp_path: Path, text: str, says: str
) -> None:
    write(tmp_path, "nl", text)
    with pytest.raises(LanguageError, match=says) as refused:
        read_texts(tmp_path, "language.toml", Language)
    assert "languages/nl/language.toml" in str(refused.value)


def test_a_file_that_is_missing_stops_the_start_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "nl").mkdir()
    with pytest.raises(LanguageError, match=r"languages/nl/language\.toml"):
        read_texts(tmp_path, "language.toml", Language)


@pytest.mark.parametrize("name", ["english", "EN", "e", "12", "zh-CN"])
def test_a_folder_that_no_language_is_called_by_stops_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(LanguageError, match=name):
        codes_in(tmp_path)


def test_a_word_that_is_said_twice_stops_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "nl" / "storefront"
    folder.mkdir(parents=True)
    for name in ("one.toml", "two.toml"):
        (folder / name).write_text('"nav.shows" = "x"\n', encoding="utf-8")
    with pytest.raises(LanguageError, match=r"nav\.shows"):
        read_words(tmp_path, "nl")


def test_the_default_is_a_setting_and_one_of_them() -> None:
    for code in LANGUAGES:
        assert load({"STAMPEDE_DEFAULT_LANGUAGE": code}).default_language == code
    with pytest.raises(SettingsError, match=", ".join(LANGUAGES)):
        load({"STAMPEDE_DEFAULT_LANGUAGE": "tlh"})


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        (None, "default"),
        ("", "default"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("tlh,en;q=0.5,zh;q=0.4", "en"),
        ("en;q=0.1, zh;q=0.2", "zh"),
        ("tlh, sjn", "default"),
        ("en;q=0", "default"),
        ("en;q=nan", "default"),
        ("en;q=x, ;;;,=", "default"),
        ("EN-us", "en"),
        ("*", "default"),
        (", ".join(["tlh"] * 20 + ["en"]), "default"),  # no more of them are looked at
    ],
)
def test_the_better_liked_language_is_taken_and_nonsense_passed_over(
    header: str | None, locale: str
) -> None:
    for default in LANGUAGES:
        wanted = default if locale == "default" else locale
        assert Reader(accepts=header).language(default) == wanted


@pytest.mark.parametrize(
    ("chosen", "accepts", "language"),
    [
        (("en",), "zh", "en"),
        (("en", "zh"), "zh", "en"),
        ((None, "zh_TW"), "en", "zh"),
        (("zh-Hans-CN",), "en", "zh"),
        (("tlh", "en-GB"), "zh", "en"),  # the nearest that we speak
        (("tlh",), "en", "en"),
        (("", " "), "en", "en"),
        (("tlh",), "sjn", "default"),
        ((None,), None, "default"),
        ((), None, "default"),
    ],
)
def test_what_was_chosen_comes_first_then_what_is_accepted_then_the_default(
    chosen: tuple[str | None, ...], accepts: str | None, language: str
) -> None:
    for default in LANGUAGES:
        wanted = default if language == "default" else language
        assert Reader(chosen=chosen, accepts=accepts).language(default) == wanted


@pytest.mark.parametrize(
    ("area", "row", "zh", "en"),
    [
        ("VIP A区", "3", "VIP A区 3排12座", "VIP A区, row 3, seat 12"),
        ("A区", "3排", "A区 3排12座", "A区, row 3排, seat 12"),
        ("Stalls", "Row C", "Stalls Row C排12座", "Stalls, Row C, seat 12"),
        ("内场站席", "", "内场站席", "内场站席, standing"),
        ("Standing", "", "Standing 站席", "Standing"),
        ("内场", "", "内场 站席", "内场, standing"),
        ("{0} {row}", "{x}", "{0} {row} {x}排12座", "{0} {row}, row {x}, seat 12"),
    ],
)
def test_a_seat_is_said_in_its_readers_language_and_nothing_twice(
    area: str, row: str, zh: str, en: str
) -> None:
    assert [seat_line(area, row, 12, code) for code in ("zh", "en")] == [zh, en]


# Where a language may be named, and why.
NAMED = {
    "chassis/languages.py": "HOME",
    "runtime/demo/loading.py": "the demo's accounts are Chinese, as its shows are",
    "booking/tickets/printing/page.py": "an offset from UTC, written alike for everybody",
    "web/storefront/js/problems.js": "the API's own details are English",
    "web/docs/index.html": "the API's documents are English",
    "loadtest/rehearsal/page.py": "what operators read is English",
    "loadtest/frames/server.py": "the map that is measured is the English one",
    "runtime/operations/trace_page.py": "what operators read is English",
}


def namings() -> Iterator[str]:
    """Files that name a language: a list of them outside `languages/` begins with one."""
    named = re.compile(rf"""["']({"|".join(LANGUAGES)})["']""")
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            read = room != "languages" and path.suffix in {".py", ".js", ".html"}
            if read and named.search(path.read_text(encoding="utf-8")):
                yield path.relative_to(ROOT).as_posix()


def test_no_list_of_languages_is_kept_anywhere_else() -> None:
    assert set(namings()) == NAMED.keys()
