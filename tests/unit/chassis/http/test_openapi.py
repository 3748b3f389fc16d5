"""What a service tells of itself has the words that its structs have in the code."""

import msgspec
from litestar import Litestar, Response, get, post

from chassis.auth.access import PUBLIC, access
from chassis.http.openapi import describe


class Row(msgspec.Struct):
    """`left`: what can be
    bought now."""

    left: int


class Answer(msgspec.Struct):
    rows: list[Row]


class Made(msgspec.Struct):
    """What was made."""

    name: str


class Wanted(msgspec.Struct):
    """`name`: of what
    is to be made."""

    name: str


@get("/rows", operation_id="list_rows", opt=access(PUBLIC))
async def rows() -> Answer:
    return Answer([])


@post("/things", operation_id="make_thing", opt=access(PUBLIC) | {"body": Wanted})
async def make() -> Response[Made]:
    return Response(Made(""))


def test_bodies_and_answers_are_described_by_their_structs_docstrings() -> None:
    schemas = describe(Litestar([rows, make]))["components"]["schemas"]
    assert schemas["Row"]["description"] == "`left`: what can be\nbought now."
    assert schemas["Made"]["description"] == "What was made."
    assert schemas["Wanted"]["description"] == "`name`: of what\nis to be made."
    assert "description" not in schemas["Answer"]
