"""Generates the stored schemas of events (booking/events/stored/*.json) and docs/events.md from the structs.

`stampede events schemas [--write]`. A stored schema is a promise: an incompatible change is refused and
needs a new version beside the old one.
"""

import inspect
import re
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import msgspec

from booking.events.published import PUBLISHED, Published
from chassis.events.compatibility import incompatibilities
from chassis.events.envelope import Event
from contracts import booking as contract

STORED = Path(__file__).parent / "stored"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "events.md"
COMMAND = "stampede events schemas --write"
ENVELOPE = "envelope.v1"
_TYPE = re.compile(r"stampede(\.[a-z_]+)+\.v[1-9][0-9]*")

Schema = dict[str, Any]


def schemas(published: dict[str, Published] = PUBLISHED) -> dict[str, Schema]:
    """The schema of each type's data, by type, and of the envelope."""
    made = {ENVELOPE: _envelope()}
    for type_, one in published.items():
        assert _TYPE.fullmatch(type_), f"{type_} has not the form stampede.order.paid.v1"
        (schema,), definitions = msgspec.json.schema_components(
            [one.data], ref_template="#/$defs/{name}"
        )
        for name, definition in definitions.items():
            if "description" in definition:  # a docstring, which Python 3.13 has without its indent
                definition["description"] = inspect.cleandoc(definition["description"])
            _say_times(definition, getattr(contract, name))
        made[type_] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": type_,
            "description": one.when,
            **schema,
            "$defs": dict(sorted(definitions.items())),
        }
    # As they are read again: a default of () is [] then.
    return cast(dict[str, Schema], msgspec.json.decode(msgspec.json.encode(made)))


def check_schemas(
    made: dict[str, Schema] | None = None, stored: dict[str, Schema] | None = None
) -> list[str]:
    """The differences between the structs and the stored schemas; each sentence says what to do."""
    made = schemas() if made is None else made
    stored = _stored() if stored is None else stored
    troubles = breaking(made, stored)
    if not troubles and made != stored:
        names = sorted(
            name for name in made.keys() | stored.keys() if made.get(name) != stored.get(name)
        )
        troubles.append(f"{', '.join(names)}: run `{COMMAND}` and commit what it writes.")
    if not troubles and PAGE.exists() and PAGE.read_text(encoding="utf-8") != page():
        troubles.append(f"docs/events.md is out of date: run `{COMMAND}` and commit it.")
    return troubles


def breaking(made: dict[str, Schema], stored: dict[str, Schema]) -> list[str]:
    """Incompatible changes; these need a new version."""
    troubles = []
    for name, old in sorted(stored.items()):
        if name not in made:
            troubles.append(
                f"{name} is no longer published: consumers rely on it; keep it in"
                " booking/events/published.py."
            )
            continue
        for reason in incompatibilities(old, made[name]):
            stem, _, version = name.rpartition(".v")
            troubles.append(
                f"{name}: {reason}. Restore it and publish {stem}.v{int(version) + 1} beside it."
            )
    return troubles


def write_schemas() -> list[str]:
    """Writes the changed schemas, or none if a change is incompatible. Returns the names of the files."""
    made, stored = schemas(), _stored()
    if breaking(made, stored):
        return []
    written = []
    STORED.mkdir(exist_ok=True)
    for name, schema in made.items():
        if stored.get(name) != schema:
            path = STORED / f"{name}.json"
            path.write_bytes(msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n")
            written.append(path.name)
    if PAGE.parent.is_dir() and (not PAGE.exists() or PAGE.read_text("utf-8") != page()):
        PAGE.write_text(page(), encoding="utf-8")
        written.append(PAGE.name)
    return written


def page() -> str:
    """The text of docs/events.md."""
    intro = (Path(__file__).parent / "intro.md").read_text(encoding="utf-8")
    rows = [f"| `{type_}` | {one.when} |" for type_, one in sorted(PUBLISHED.items())]
    parts = [
        intro,
        "## Types\n",
        "| type | when |",
        "|---|---|",
        *rows,
        "",
        "## Examples of data\n",
    ]
    for type_, one in sorted(PUBLISHED.items()):
        schema = schemas({type_: one})[type_]
        sample = msgspec.json.format(msgspec.json.encode(example(schema)), indent=2).decode()
        parts += [f"### {type_}\n", f"```json\n{sample}\n```\n"]
    return "\n".join(parts)


def example(schema: Schema, root: Schema | None = None, name: str = "") -> Any:
    """Example data for a schema; `name` is the field's name."""
    root = schema if root is None else root
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    kind = schema.get("type")
    found: Any = SAMPLES.get(name, name)
    if "anyOf" in schema:
        found = example(schema["anyOf"][0], root, name)
    elif "enum" in schema:
        found = schema["enum"][0]
    elif kind == "object" and "properties" in schema:
        found = {key: example(one, root, key) for key, one in schema["properties"].items()}
    elif kind == "object":
        found = {SAMPLES["area_id"]: 2}
    elif kind == "array":
        singular = "seat_id" if name == "seats" else name.removesuffix("s")
        found = [example(schema.get("items", {}), root, singular)]
    elif name not in SAMPLES:
        found = _by_kind(schema, name)
    return found


def _by_kind(schema: Schema, name: str) -> Any:
    if schema.get("format") == "uuid":
        return str(UUID(int=0x0198_A7C2_0000_7000_8000_0000_0000_0000 + sum(name.encode())))
    if schema.get("format") == "date-time":
        return "2026-08-15T11:30:00Z"
    return {"integer": 1, "number": 1.0, "boolean": True}.get(str(schema.get("type")), name)


SAMPLES: dict[str, Any] = {
    "area": "VIP A区",
    "area_id": "0198a7c2-0000-7000-8000-00000000a001",
    "currency": "CNY",
    "number": 7,
    "order_no": "260815000042",
    "price": 128_000,
    "qr_code": "https://tickets.example/api/v1/tickets/0198a7c2/qr.png?key=…",
    "reason": "insufficient funds",
    "row": "3",
    "seat_id": 29,
    "time_zone": "Asia/Shanghai",
    "title": "周杰伦 2026 世界巡回演唱会",
    "total_amount": 256_000,
    "venue": "上海体育场",
}


def _stored() -> dict[str, Schema]:
    return {
        path.name.removesuffix(".json"): msgspec.json.decode(path.read_bytes())
        for path in STORED.glob("*.json")
    }


def _envelope() -> Schema:
    """CloudEvents 1.0 in JSON, with `requestid` as extension."""
    (schema,), definitions = msgspec.json.schema_components(
        [Event], ref_template="#/$defs/{name}", schema_hook=_anything
    )
    whole: Schema = definitions[schema["$ref"].rpartition("/")[2]]
    _say_times(whole, Event)
    whole["properties"]["specversion"]["const"] = "1.0"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": ENVELOPE,
        "description": "Every event, in the JSON format of CloudEvents 1.0.",
        "type": "object",
        "properties": whole["properties"],
        "required": sorted({*whole["required"], "specversion", "datacontenttype"}),
    }


def _say_times(definition: Schema, struct: type[msgspec.Struct]) -> None:
    """Adds `date-time`, which msgspec omits because it also accepts local times; ours have a zone."""
    for field in msgspec.structs.fields(struct):
        if field.type in {datetime, datetime | None}:
            found = definition["properties"][field.encode_name]
            kinds = found.get("anyOf", [found])
            next(one for one in kinds if one["type"] == "string")["format"] = "date-time"


def _anything(_: type) -> Schema:
    return {}
