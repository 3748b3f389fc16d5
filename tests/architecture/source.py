"""The house's source as the architecture tests see it: modules, their imports, their functions."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("identity", "catalog", "booking", "notification")
ROOMS = (
    "stampede",
    "loadtest",
    "planning",
    "runtime",
    "gateway",
    *SERVICES,
    "contracts",
    "chassis",
    "languages",
    "web",
)


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the house by its dotted name, parsed."""
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports_of(module: str) -> Iterator[str]:
    """Dotted names that a module imports, wherever in it; `from a import b` gives `a.b`."""
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dynamic_imports_of(module: str) -> bool:
    """Whether it imports by name at run time: only the composition root may."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
        and ast.unparse(node.func) in {"importlib.import_module", "__import__", "import_module"}
        for node in ast.walk(modules()[module])
    )


def functions() -> Iterator[tuple[str, str, int]]:
    """(module, function, lines) of every function."""
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield name, node.name, node.end_lineno - node.lineno + 1
