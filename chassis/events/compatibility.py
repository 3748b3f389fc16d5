"""Decides if a changed JSON schema of an event's data may keep its version.

A version may gain fields, in its objects at any depth, and nothing else. A new field must have a default
(so it is not `required`): consumers still read events from before it existed, from an outbox, a stream,
dead letters or the archive. Every other change needs a new version: a consumer of the old one may rely on
each field's presence and type, and may refuse unknown enumeration values.

    | change                                           | same version? |
    |--------------------------------------------------|---------------|
    | a field with a default added                     | yes           |
    | a title, a description, the name of a definition | yes           |
    | a required field added                           | no            |
    | a field removed or renamed                       | no            |
    | a field's type, format, bounds or default changed| no            |
    | a field made optional, or made required          | no            |
    | null or another kind allowed, or not any more    | no            |
    | a value of an enumeration added or removed       | no            |
    | unknown fields refused                           | no            |
"""

from typing import Any

import msgspec

Schema = dict[str, Any]
ANNOTATIONS = {"title", "description", "$id", "$schema", "$comment", "$defs", "examples"}
ONE_SCHEMA = {"items": "[]", "additionalProperties": ".*"}
SEVERAL_SCHEMAS = {"anyOf", "oneOf", "allOf", "prefixItems"}


class _Roots(msgspec.Struct, frozen=True):
    """What references refer to, in each of the two schemas."""

    old: Schema
    new: Schema


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """Why `new` needs another version than `old`, one sentence each. Empty if it may keep the version."""
    return _compared("data", old, new, _Roots(old, new), ())


def _compared(
    where: str, old: Schema, new: Schema, roots: _Roots, above: tuple[str, ...]
) -> list[str]:
    reference = str(old.get("$ref", ""))
    if reference and reference in above:  # a recursive type: already compared further up
        return []
    above = (*above, reference) if reference else above
    old, new = _resolved(old, roots.old), _resolved(new, roots.new)
    troubles = []
    for word in sorted((old.keys() | new.keys()) - ANNOTATIONS):
        mine, theirs = old.get(word), new.get(word)
        if word in {"properties", "required"}:
            continue
        if word in ONE_SCHEMA and isinstance(mine, dict) and isinstance(theirs, dict):
            troubles += _compared(f"{where}{ONE_SCHEMA[word]}", mine, theirs, roots, above)
        elif word in SEVERAL_SCHEMAS and len(mine or ()) == len(theirs or ()):
            for one, other in zip(mine or (), theirs or (), strict=True):
                troubles += _compared(where, one, other, roots, above)
        elif _plain(mine) != _plain(theirs):
            troubles.append(f"{where}: {word} was {mine!r} and is {theirs!r}")
    return troubles + _fields(where, old, new, roots, above)


def _fields(
    where: str, old: Schema, new: Schema, roots: _Roots, above: tuple[str, ...]
) -> list[str]:
    mine, theirs = old.get("properties", {}), new.get("properties", {})
    needed, needed_now = set(old.get("required", [])), set(new.get("required", []))
    troubles = []
    for name in sorted(mine):
        if name not in theirs:
            troubles.append(f"{where}.{name} was removed or renamed")
            continue
        if (name in needed) != (name in needed_now):
            became = "required" if name in needed_now else "optional"
            troubles.append(f"{where}.{name} became {became}")
        troubles += _compared(f"{where}.{name}", mine[name], theirs[name], roots, above)
    for name in sorted(needed_now - mine.keys()):
        troubles.append(f"{where}.{name} is new and has no default, but older events lack it")
    return troubles


def _plain(value: Any) -> Any:
    """Enumerations and lists of types mean the same in any order."""
    return sorted(map(repr, value)) if isinstance(value, list) else repr(value)


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Resolves a reference. Names of definitions do not matter; a default beside the reference is
    kept."""
    while "$ref" in schema:
        found: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found | {key: value for key, value in schema.items() if key != "$ref"}
    return schema
