"""Rows as structs."""

from typing import Any

import asyncpg


def fields(row: "asyncpg.Record", kind: type[Any]) -> dict[str, Any]:
    """The columns of a row that are fields of `kind`."""
    return {name: row[name] for name in kind.__struct_fields__ if name in row}
