"""The JSON Schema of the plan document, for editors and importers: catalog/halls/plan.v1.schema.json.

`python -m catalog.halls.schema` writes it. A test holds it equal to the structs.
"""

import inspect
from pathlib import Path
from typing import Any

import msgspec

from catalog.halls.document import VERSION, PlanDocument

STORED = Path(__file__).parent / f"plan.v{VERSION}.schema.json"
COMMAND = "python -m catalog.halls.schema"


def schema() -> bytes:
    """As it is stored, in JSON Schema 2020-12."""
    (root,), parts = msgspec.json.schema_components([PlanDocument], ref_template="#/$defs/{name}")
    for part in parts.values():
        if "description" in part:  # a docstring, which Python 3.13 has without its indent
            part["description"] = inspect.cleandoc(part["description"])
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Stampede plan document, version {VERSION}",
        **root,
        "$defs": dict(sorted(parts.items())),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


if __name__ == "__main__":
    STORED.write_bytes(schema())
