"""docs/door.md's example of verifying a code offline, run as it stands there."""

import re
import textwrap
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature

from booking.tickets.codes import TicketCodes, make_keys
from tests.architecture.source import ROOT


def example(name: str = "read") -> Any:
    page = (ROOT / "docs" / "door.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^( *)```python\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    for _, code in blocks:
        exec(textwrap.dedent(code), names)
    return names[name]


def test_the_documented_ten_lines_verify_a_code_and_refuse_a_forgery() -> None:
    codes = TicketCodes([*make_keys(), *make_keys()], "http://x")  # an older key beside the newest
    jwks = msgspec.json.decode(msgspec.json.encode({"keys": codes.public_keys()}))
    ticket, session = uuid4(), uuid4()
    code, read = codes.code(ticket, session), example()
    assert read(code, jwks) == (ticket, session)
    assert len(jwks["keys"]) == 2
    middle = len(code) // 3
    other = "A" if code[middle] != "A" else "B"
    with pytest.raises(InvalidSignature):
        read(code[:middle] + other + code[middle + 1 :], jwks)
    foreign = TicketCodes(make_keys(), "http://x").code(ticket, session)
    with pytest.raises(StopIteration):
        read(foreign, jwks)
