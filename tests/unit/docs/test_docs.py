"""The pages for readers: what they point at is there, and the index of decisions has them all."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DECISIONS = ROOT / "docs" / "adr"
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")  # ](page.md#part): the page
NAMED_TEST = re.compile(r"(?:tests/[\w/]+/)?(test_\w+\.py)")
ENTRY = re.compile(r"^\| \[(\d+)\]\(([^)]+)\) \| (.+) \| (.+) \|$", re.MULTILINE)


def pages() -> list[Path]:
    first = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [*first, *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_link_of_a_page_leads_somewhere() -> None:
    lost = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages()
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert lost == []


def test_every_test_that_a_page_names_is_there() -> None:
    """A decision is held by tests: by path, or by name behind another of the same sentence."""
    there = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    missing = [
        f"{page.relative_to(ROOT)}: {named[0]}"
        for page in pages()
        for named in NAMED_TEST.finditer(page.read_text(encoding="utf-8"))
        if named[1] not in there or (named[0] != named[1] and not (ROOT / named[0]).exists())
    ]
    assert missing == []


def test_the_readme_leads_to_every_page_of_the_docs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = {(ROOT / target).resolve() for target in LINK.findall(readme) if "://" not in target}
    indexes = set((ROOT / "docs").glob("*/README.md"))  # which lead to the pages beside them
    assert {*(ROOT / "docs").glob("*.md"), *indexes} - told == set()


def test_the_index_of_decisions_has_each_with_its_title() -> None:
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    told = sorted((int(number), name, title) for number, name, title, _ in ENTRY.findall(index))
    there = []
    for page in sorted(DECISIONS.glob("0*.md")):
        number, title = (
            page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split(". ", 1)
        )
        there.append((int(number), page.name, title))
    assert told == there


def test_the_index_marks_a_decision_that_another_has_taken_the_place_of() -> None:
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    for number, name, _, status in ENTRY.findall(index):
        text = (DECISIONS / name).read_text(encoding="utf-8")
        superseded = re.search(r"^Superseded by ADR (\d+)", text, re.MULTILINE)
        assert ("superseded" in status) == (superseded is not None), number
        if superseded:
            assert superseded[1] in status
