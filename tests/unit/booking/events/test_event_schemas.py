"""The promise of event versions: what is stored is what the code sends, and no version changes."""

import ast
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import jsonschema_rs
import msgspec
import pytest

import booking
from booking.events.published import HISTORY_ONLY, PUBLISHED, RESERVED
from booking.events.schemas import breaking, check_schemas, example, schemas
from chassis.events.compatibility import incompatibilities
from chassis.events.envelope import Event
from contracts import booking as contract
from contracts.catalog import SUBSCRIBES_TO as CATALOG
from contracts.identity import (
    PASSWORD_CHANGED,
    PASSWORD_RESET_ASKED,
    PasswordChanged,
    PasswordResetAsked,
)
from contracts.notification import SUBSCRIBES_TO as NOTIFICATION
from tests.support.events import event

BOOKING = Path(booking.__file__).parent
WITHIN_THE_HOUSE: dict[str, type[msgspec.Struct]] = {
    PASSWORD_RESET_ASKED: PasswordResetAsked,
    PASSWORD_CHANGED: PasswordChanged,
}


def test_the_stored_schemas_and_the_page_are_those_of_the_code() -> None:
    assert check_schemas() == []


def test_every_type_in_the_contract_is_published_or_said_not_to_be() -> None:
    types = {
        value
        for name, value in vars(contract).items()
        if name.isupper() and isinstance(value, str) and value.startswith("stampede.")
    }
    missing = types - PUBLISHED.keys() - HISTORY_ONLY - RESERVED
    assert not missing, (
        f"{sorted(missing)}: add a line to PUBLISHED in booking/events/published.py (or to HISTORY_ONLY),"
        " then run `stampede events schemas --write` and commit what it writes"
    )
    assert not PUBLISHED.keys() & (HISTORY_ONLY | RESERVED)


def test_every_event_that_code_puts_into_the_outbox_is_published() -> None:
    """`pending(TYPE, …)` anywhere in booking."""
    told = set()
    for path in BOOKING.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pending":
                told |= {one.id for one in ast.walk(node.args[0]) if isinstance(one, ast.Name)}
    types = {getattr(contract, name) for name in told if hasattr(contract, name)}
    assert types, "nothing found: this test looks in the wrong place"
    assert types <= PUBLISHED.keys(), "add them to booking/events/published.py"


def test_consumers_subscribe_to_published_types_only() -> None:
    assert {*CATALOG, *NOTIFICATION} <= PUBLISHED.keys() | WITHIN_THE_HOUSE.keys()


def test_what_identity_and_notification_tell_each_other_keeps_its_form() -> None:
    """Promised to nobody else, so in no stored schema; but an outbox and a table of messages hold older
    ones. A field may be added here with a default, anything else is another type."""
    user_id, reset_id = UUID(int=1), UUID(int=2)
    written = {
        PASSWORD_RESET_ASKED: {"user_id": str(user_id), "reset_id": str(reset_id)},
        PASSWORD_CHANGED: {"user_id": str(user_id), "by_link": True},
    }
    assert written.keys() == WITHIN_THE_HOUSE.keys()
    for type_, data in written.items():
        read = msgspec.json.decode(msgspec.json.encode(data), type=WITHIN_THE_HOUSE[type_])
        assert msgspec.to_builtins(read, str_keys=True) | data == data


@pytest.mark.parametrize("type_", sorted(PUBLISHED))
def test_the_example_of_a_type_is_valid_and_decodes(type_: str) -> None:
    schema = schemas()[type_]
    sample = example(schema)
    jsonschema_rs.validator_for(schema).validate(sample)
    msgspec.convert(sample, PUBLISHED[type_].data, strict=False)


def test_an_event_on_the_wire_is_a_cloud_event() -> None:
    wire = msgspec.json.decode(msgspec.json.encode(event(1)))
    jsonschema_rs.validator_for(schemas()["envelope.v1"]).validate(wire)
    assert {name for name in wire if not name.isalnum() or name != name.lower()} == set()
    assert {"id", "source", "specversion", "type"} <= wire.keys()
    assert set(Event.__struct_fields__) == wire.keys() | {"traceparent"}
    traced = msgspec.structs.replace(event(1), traceparent=f"00-{1:032x}-{1:016x}-01")
    wire = msgspec.json.decode(msgspec.json.encode(traced))
    jsonschema_rs.validator_for(schemas()["envelope.v1"]).validate(wire)
    assert wire.keys() == set(Event.__struct_fields__)


class Seat(msgspec.Struct):
    number: int
    row: str = ""


class Before(msgspec.Struct):
    """The struct that every change below starts from."""

    order_id: UUID
    at: datetime
    reason: Literal["user", "unpaid"]
    seats: list[Seat]
    areas: dict[str, int]
    note: str | None = None
    best: Seat | None = None


def schema_of(kind: type) -> dict[str, Any]:
    return msgspec.json.schema(kind)


def changed(**fields: Any) -> dict[str, Any]:
    """Before with fields replaced (None: removed, a tuple: with a default) or added at the end."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(Before):
        found[field.name] = (field.type,) if field.required else (field.type, field.default)
    found |= {name: one if isinstance(one, tuple) else (one,) for name, one in fields.items()}
    kept = [(name, *one) for name, one in found.items() if one != (None,)]
    return schema_of(msgspec.defstruct("After", kept, kw_only=True))


class SeatWithGate(msgspec.Struct):
    number: int
    row: str = ""
    gate: str | None = None


class SeatWithoutRow(msgspec.Struct):
    number: int


class SeatRenamed(msgspec.Struct):
    number: int
    row: str = ""


COMPATIBLE = {
    "nothing": {},
    "a field with a default": {"fee": (int, 0)},
    "a nullable field with a default": {"fee": (int | None, None)},
    "a field inside a list's objects": {"seats": list[SeatWithGate]},
    "a field inside a nullable object": {"best": (SeatWithGate | None, None)},
    "another name of the definition": {"seats": list[SeatRenamed]},
    "an object with a default": {"gate": (Seat | None, None)},
}
INCOMPATIBLE = {
    "a field removed": ({"note": None}, "note was removed"),
    "a required field removed": ({"order_id": None}, "order_id was removed"),
    "a field renamed": ({"note": None, "remark": (str | None, None)}, "note was removed"),
    "a new field without a default": ({"fee": int}, "fee is new and has no default"),
    "another type": ({"order_id": int}, "order_id: type"),
    "another format": ({"order_id": str}, "order_id: format"),
    "a wider type": ({"reason": str}, "reason: enum"),
    "a word more": ({"reason": Literal["user", "unpaid", "seller"]}, "reason: enum"),
    "a word less": ({"reason": Literal["user"]}, "reason"),
    "null allowed": ({"order_id": UUID | None}, "order_id"),
    "null not allowed any more": ({"note": (str, "")}, "note"),
    "made optional": ({"order_id": (UUID, UUID(int=0))}, "order_id became optional"),
    "made required": ({"note": str | None}, "note became required"),
    "another default": ({"note": (str | None, "none")}, "note: default"),
    "another kind in the list": ({"seats": list[int]}, "seats[]"),
    "a list made an object": ({"seats": Seat}, "seats: type"),
    "a field removed in the list": ({"seats": list[SeatWithoutRow]}, "seats[].row was removed"),
    "a field removed in an object": (
        {"best": (SeatWithoutRow | None, None)},
        "best.row was removed",
    ),
    "another kind of values": ({"areas": dict[str, str]}, "areas.*: type"),
}


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_version_may_gain_fields(name: str) -> None:
    assert incompatibilities(schema_of(Before), changed(**COMPATIBLE[name])) == []


@pytest.mark.parametrize("name", INCOMPATIBLE)
def test_a_version_may_change_in_no_other_way(name: str) -> None:
    fields, reason = INCOMPATIBLE[name]
    found = incompatibilities(schema_of(Before), changed(**fields))
    assert found, name
    assert any(reason in one for one in found), found


def test_unknown_fields_may_not_become_refused() -> None:
    class Strict(msgspec.Struct, forbid_unknown_fields=True):
        number: int
        row: str = ""

    assert incompatibilities(schema_of(Seat), schema_of(Strict))


def test_a_type_that_holds_itself_is_compared_once() -> None:
    tree = {
        "$ref": "#/$defs/Tree",
        "$defs": {
            "Tree": {
                "type": "object",
                "properties": {"leaf": {"type": "integer"}, "tree": {"$ref": "#/$defs/Tree"}},
            }
        },
    }
    assert incompatibilities(tree, deepcopy(tree)) == []
    other = deepcopy(tree)
    other["$defs"]["Tree"]["properties"]["leaf"]["type"] = "string"
    assert len(incompatibilities(tree, other)) == 1


@pytest.mark.parametrize("type_", sorted(PUBLISHED))
def test_every_stored_schema_is_defended_field_by_field(type_: str) -> None:
    """Each field of each definition, removed and retyped: every one of these is seen."""
    made = schemas()
    for name, definition in made[type_]["$defs"].items():
        for field in definition["properties"]:
            without, retyped = deepcopy(made), deepcopy(made)
            mine = without[type_]["$defs"][name]
            del mine["properties"][field]
            mine["required"] = [one for one in mine["required"] if one != field]
            retyped[type_]["$defs"][name]["properties"][field] = {"type": "null"}
            assert breaking(without, made), f"{name}.{field} removed"
            assert breaking(retyped, made), f"{name}.{field} retyped"


def test_the_messages_say_what_to_do() -> None:
    made = schemas()
    type_ = "stampede.order.paid.v1"
    broken, fresh, gone = deepcopy(made), deepcopy(made), deepcopy(made)
    del broken[type_]["$defs"]["OrderPaid"]["properties"]["title"]
    (said,) = check_schemas(made=broken, stored=made)[:1]
    assert "data.title was removed or renamed" in said
    assert "publish stampede.order.paid.v2 beside it" in said

    fresh["stampede.order.parked.v1"] = fresh[type_]
    (said,) = check_schemas(made=fresh, stored=made)
    assert said.startswith("stampede.order.parked.v1: run `stampede events schemas --write`")

    del gone[type_]
    assert "no longer published" in check_schemas(made=gone, stored=made)[0]
