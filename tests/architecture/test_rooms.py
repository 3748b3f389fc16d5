"""Every service is furnished alike, and every package says what it is for."""

import ast

import pytest

from tests.architecture.source import ROOT, SERVICES, modules


def functions_of(module: str) -> set[str]:
    found = modules()[module].body
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_entrances(service: str) -> None:
    """What the runtime opens: an app, a worker, a schema; and what other services may know of it."""
    assert "create_app" in functions_of(f"{service}.asgi")
    assert "run" in functions_of(f"{service}.workers")
    assert list((ROOT / service / "migrations").glob("0001_*.sql"))
    assert f"contracts.{service}" in modules()
    assert f"{service}.composition" in modules()


def test_every_package_and_module_says_what_it_is_for() -> None:
    silent = [name for name, tree in modules().items() if not ast.get_docstring(tree)]
    assert silent == []


def test_a_package_says_more_than_its_name() -> None:
    terse = [
        name for name, tree in modules().items() if len((ast.get_docstring(tree) or "").split()) < 2
    ]
    assert terse == []
