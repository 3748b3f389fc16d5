"""Patterns of fields match whole texts: `$` alone lets a line feed follow (chassis.http.bodies.whole)."""

import ast
from collections.abc import Iterator

from tests.architecture.source import ROOT, modules


def bare_patterns() -> Iterator[str]:
    """Every `Meta(pattern=…)` of plain text that ends with `$`, itself or by a name of its module."""
    for module, tree in modules().items():
        named = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.keyword) or node.arg != "pattern":
                continue
            value = node.value
            pattern = value.value if isinstance(value, ast.Constant) else None
            if isinstance(value, ast.Name):
                pattern = named.get(value.id)
            if isinstance(pattern, str) and pattern.endswith("$"):
                yield f"{module}: {pattern}"


def test_no_field_ends_its_pattern_with_a_bare_dollar() -> None:
    assert list(bare_patterns()) == []


def test_every_file_with_a_pattern_stands_in_the_table_of_what_a_request_can_make_us_do() -> None:
    """Whoever adds one says against what it is matched, and how long that can be."""
    table = (ROOT / "docs" / "work-bounds.md").read_text(encoding="utf-8")
    missing = {
        path
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if not module.startswith("loadtest")
        and (
            (isinstance(node, ast.Call) and ast.unparse(node.func) in {"re.compile", "full_match"})
            or (isinstance(node, ast.keyword) and node.arg == "pattern")
        )
        and f"`{(path := module.replace('.', '/') + '.py')}`" not in table
    }
    assert missing == set()
