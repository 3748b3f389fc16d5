"""One word for one thing: a database connection is `db`, and `tx` inside a transaction."""

import ast
from collections.abc import Iterator

from .source import imports_of, modules

OPENED = {"connection": "db", "own_session": "db", "transaction": "tx"}  # chassis.postgres.pool
ITS_OWN_ROOM = "chassis.postgres.pool"  # hands connections out


def named() -> Iterator[tuple[str, str, str, set[str]]]:
    """(module, function or opener, name, names it may have) of every connection of the services."""
    for module, tree in modules().items():
        if ITS_OWN_ROOM not in {name.rpartition(".")[0] for name in imports_of(module)}:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for parameter in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                    kind = parameter.annotation
                    if isinstance(kind, ast.Name) and kind.id == "Connection":
                        yield module, node.name, parameter.arg, {"db", "tx"}
            elif isinstance(node, ast.With | ast.AsyncWith):
                for item in node.items:
                    opener, name = item.context_expr, item.optional_vars
                    if (
                        isinstance(name, ast.Name)
                        and isinstance(opener, ast.Call)
                        and isinstance(opener.func, ast.Name)
                        and opener.func.id in OPENED
                    ):
                        yield module, opener.func.id, name.id, {OPENED[opener.func.id]}


def test_a_connection_is_db_and_tx_inside_a_transaction() -> None:
    found = list(named())
    assert len(found) > 300  # else this test looks in the wrong place
    assert [one[:3] for one in found if one[2] not in one[3]] == []
