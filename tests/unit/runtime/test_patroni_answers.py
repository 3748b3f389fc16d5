"""What a Patroni says about itself, and what of it makes a primary."""

import msgspec
import pytest

from runtime.embedded.patroni import accepts_writes


def told(role: str) -> bytes:
    return msgspec.json.encode({"state": "running", "role": role, "timeline": 5})


def test_a_server_that_has_the_lock_and_is_no_standby_accepts_writes() -> None:
    assert accepts_writes(200, told("primary"))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, told("replica")),  # it has the lock and is not promoted yet
        (503, told("primary")),  # it has lost the lock
        (503, told("replica")),
        (200, b""),
    ],
)
def test_nothing_else_does(status: int, body: bytes) -> None:
    assert not accepts_writes(status, body)
