"""The stored schema is that of the structs, and documents go through JSON unchanged."""

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings

from catalog.halls.document import PlanDocument
from catalog.halls.layout import lay_out
from catalog.halls.schema import COMMAND, STORED, schema

from .plans import documents, plan, rows, seated

VALIDATOR = jsonschema_rs.validator_for(msgspec.json.decode(STORED.read_bytes()))


def test_the_stored_schema_is_current() -> None:
    assert STORED.read_bytes() == schema(), f"run `{COMMAND}` and commit what it writes"


@settings(deadline=None, max_examples=60)
@given(documents())
def test_documents_go_out_as_the_schema_says_and_come_back_as_the_same_hall(
    drawn: PlanDocument,
) -> None:
    body = msgspec.json.encode(drawn)
    VALIDATOR.validate(msgspec.json.decode(body))
    back = msgspec.json.decode(body, type=PlanDocument)
    assert back == drawn
    assert lay_out(back) == lay_out(drawn)


@pytest.mark.parametrize(
    "wrong",
    [
        plan(seated("a", rows(at=[6000, 0]))),
        plan(seated("a", rows(colour="red"))),
        plan(seated("", rows())),
        plan(seated("a", rows()), version=2),
    ],
)
def test_the_schema_refuses_what_the_types_refuse(wrong: object) -> None:
    assert not VALIDATOR.is_valid(wrong)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(wrong), type=PlanDocument)
