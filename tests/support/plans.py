"""Plans as a connection keeps them: made for any arguments, on the tables as they are."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import asyncpg
import msgspec

Node = dict[str, Any]


class Scan(NamedTuple):
    """Of a table. `index`: None if all of it is read. `cond`: which part of the index; None: all of it."""

    table: str
    index: str | None
    cond: str | None


async def plan_of(db: "asyncpg.Connection[Any]", statement: str) -> Node:
    await db.execute("SET plan_cache_mode = force_generic_plan")
    await db.execute(f"PREPARE planned AS {statement}")
    count = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'planned'"
    arguments = ["NULL"] * await db.fetchval(count)
    given = f"({', '.join(arguments)})" if arguments else ""
    (told,) = await db.fetchrow(f"EXPLAIN (FORMAT JSON) EXECUTE planned{given}")
    await db.execute("DEALLOCATE planned")
    plan: Node = msgspec.json.decode(told)[0]["Plan"]
    return plan


def scans(node: Node) -> Iterator[Scan]:
    below = node.get("Plans", [])
    if node["Node Type"].endswith("Scan") and "Relation Name" in node:
        if node["Node Type"] != "Bitmap Heap Scan":
            yield Scan(node["Relation Name"], node.get("Index Name"), node.get("Index Cond"))
        else:
            for index in _indexes(below[0]):
                yield Scan(node["Relation Name"], index["Index Name"], index.get("Index Cond"))
    for inner in below:
        yield from scans(inner)


def _indexes(node: Node) -> Iterator[Node]:
    """Of a bitmap, which several may be put together to."""
    if "Index Name" in node:
        yield node
    for inner in node.get("Plans", []):
        yield from _indexes(inner)
