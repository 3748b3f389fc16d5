"""Patterns of fields speak of the whole text: `$` alone lets a line feed follow (chassis.body.whole)."""

import ast
from collections.abc import Iterator

from tests.architecture.source import modules


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
