"""docs/order-way.md has the stages that the bench measures, their code, and a budget for each."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from loadtest.bench.budget import page
from loadtest.bench.budget.stages import STAGES
from loadtest.bench.programs.accounting import KINDS
from tests.architecture.source import ROOT

TEXT = page.PAGE.read_text(encoding="utf-8")
NAMES = [stage.name for stage in STAGES]
NAMED = re.compile(r"`((?:[\w-]+/)+\w+\.(?:py|lua|sql))(?::(\w+))?`")


def names_in(path: Path) -> set[str]:
    """Functions of a module, queries of an SQL file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        return set(re.findall(r"^-- name: (\w+)", text, re.MULTILINE))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)}


def test_the_page_has_a_section_and_a_budget_for_each_stage_in_order() -> None:
    assert re.findall(r"^### (.+)$", TEXT, re.MULTILINE) == NAMES
    assert list(page.budgets(TEXT)) == NAMES


def test_what_the_page_names_is_there() -> None:
    named = NAMED.findall(TEXT)
    assert len(named) > 30
    missing = [
        f"{file}:{function}"
        for file, function in named
        if not (ROOT / file).exists() or (function and function not in names_in(ROOT / file))
    ]
    assert missing == []


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_code_of_a_stage_is_there(stage) -> None:  # type: ignore[no-untyped-def]
    assert not (stage.code and stage.account)
    assert stage.account in {"", *KINDS, "generator"}
    for code in stage.code:
        file, _, function = code.partition(":")
        if (ROOT / file).exists():
            assert not function or function in names_in(ROOT / file), code
        else:
            assert importlib.util.find_spec(file.rstrip("/")) is not None, code


def test_the_page_states_the_tolerance() -> None:
    assert f"{page.TOLERANCE:.0%}" in TEXT
    assert f"{page.TOLERANCE_LEAST:g} of" in TEXT
