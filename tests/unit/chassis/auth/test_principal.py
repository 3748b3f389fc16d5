"""What an account may manage: its own, and an admin everything."""

from uuid import uuid4

import pytest

from chassis.auth.tokens import ROLES, Principal

OTHERS = ROLES - {"admin"}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_everybody_manages_their_own(role: str) -> None:
    who = Principal(uuid4(), uuid4(), frozenset({role}), 0.0)
    assert who.may_manage(who.user_id)


def test_an_admin_manages_what_is_anybodys() -> None:
    admin = Principal(uuid4(), uuid4(), frozenset({"admin"}), 0.0)
    assert admin.is_admin
    assert admin.may_manage(uuid4())
    assert admin.owner_filter is None


@pytest.mark.parametrize("roles", [frozenset(), OTHERS, *(frozenset({one}) for one in OTHERS)])
def test_nobody_else_manages_what_is_not_theirs(roles: frozenset[str]) -> None:
    who = Principal(uuid4(), uuid4(), roles, 0.0)
    assert not who.is_admin
    assert not who.may_manage(uuid4())
    assert not who.may_manage(who.login_id)
    assert who.owner_filter == who.user_id
