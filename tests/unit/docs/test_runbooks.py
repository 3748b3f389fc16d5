"""Every alert has a page that says what to do, and the pages name only what there is."""

import re
from pathlib import Path

import click
import pytest

from chassis.settings import PARSERS
from stampede.cli.main import stampede
from tests.support.alerts import RUNBOOKS, alerts, recorded
from tests.support.promql import parse
from tests.support.servers import ROOT

PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path.name != "README.md")
BLOCK = re.compile(r"```(bash|promql)\n(.*?)```", re.DOTALL)
CALL = re.compile(r"\bstampede ((?:[a-z][a-z-]*(?: |\b))*)")
LOGGED = re.compile(r"grep -hE? \"?([\w|.*=/ -]+?)\"? \$LOGS")
PROVIDERS = ("sandbox_", "stripe_")  # settings of their own


def slug(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_alerts_and_pages_match_both_ways() -> None:
    told = {one.annotations["runbook"] for one in alerts()}
    assert told == {f"docs/runbooks/{page.name}" for page in PAGES}
    for one in alerts():
        assert one.annotations["runbook"] == f"docs/runbooks/{slug(one.alert)}.md"


def test_the_index_has_every_page_with_its_severities_and_summary() -> None:
    rows = re.findall(
        r"^\| \[(\w+)\]\(([\w-]+)\.md\) \| (.+) \| (.+) \|$",
        text(RUNBOOKS / "README.md"),
        re.MULTILINE,
    )
    told = {
        name: (page, set(severities.split(", ")), summary)
        for name, page, severities, summary in rows
    }
    wanted: dict[str, tuple[str, set[str], str]] = {}
    for one in alerts():
        _, severities, _ = wanted.setdefault(
            one.alert, (slug(one.alert), set(), one.annotations["summary"])
        )
        severities.add(one.labels["severity"])
    assert told == wanted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_it_means_what_to_look_at_and_what_to_do(page: Path) -> None:
    parts = re.split(r"^## (.+)$", text(page), flags=re.MULTILINE)
    assert parts[1::2] == ["What it means", "What to look at", "What to do"]
    means, look, do = parts[2::2]
    assert len(means.strip()) > 50
    assert {kind for kind, _ in BLOCK.findall(look)} == {"bash", "promql"}
    assert do.strip().startswith("- ")
    (one,) = {one.alert for one in alerts() if one.annotations["runbook"].endswith(f"/{page.name}")}
    assert parts[0].startswith(f"# {one}\n")


def commands(page: Path) -> set[str]:
    code = [body for kind, body in BLOCK.findall(text(page)) if kind == "bash"]
    code += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", BLOCK.sub("", text(page)))
    return {
        line for body in code for line in body.splitlines() if re.search(r"\bstampede [a-z]", line)
    }


def is_command(line: str) -> bool:
    """It leads to a command that there is, with options that it has."""
    words = re.split(r"[|#]", line[line.index("stampede ") :], maxsplit=1)[0].split()[1:]
    command: click.Command = stampede
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if isinstance(command, click.Group):
        return False
    options = {name for option in command.params for name in option.opts}
    return {word for word in words if word.startswith("--")} <= options


def test_every_command_of_a_page_is_there() -> None:
    there = {page.name: commands(page) for page in PAGES}
    assert len(set().union(*there.values())) > 15
    wrong = {
        name: bad
        for name, found in there.items()
        if (bad := {c for c in found if not is_command(c)})
    }
    assert wrong == {}


@pytest.mark.parametrize("line", ["stampede mend", "stampede dlq open", "stampede audit --deep"])
def test_a_command_that_is_not_there_is_found(line: str) -> None:
    assert not is_command(line)


def test_every_expression_of_a_page_is_promql_about_what_is_exported() -> None:
    known, wrong = recorded(), {}
    for page in PAGES:
        for kind, body in BLOCK.findall(text(page)):
            for line in body.splitlines() if kind == "promql" else ():
                parse(line)
                if complaints := known.complaints(line):
                    wrong[page.name] = complaints
    assert wrong == {}


def test_every_word_that_is_looked_for_in_the_logs_is_logged() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for room in (
            "chassis",
            "gateway",
            "identity",
            "catalog",
            "booking",
            "notification",
            "runtime",
        )
        for path in (ROOT / room).rglob("*.py")
    )
    made = {"email_dead"}  # by channel and outcome (notification.messages.sending)
    missing = {
        (page.name, word)
        for page in PAGES
        for pattern in LOGGED.findall(text(page))
        for word in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", pattern)
        if f'"{word}"' not in source and word not in made
    }
    assert missing == set()


def test_every_setting_that_a_page_names_is_one() -> None:
    named = {
        (page.name, name)
        for page in (*PAGES, RUNBOOKS / "README.md")
        for name in re.findall(r"STAMPEDE_(\w+)", text(page))
    }
    assert {
        (page, name)
        for page, name in named
        if name.lower() not in PARSERS and not name.lower().startswith(PROVIDERS)
    } == set()
