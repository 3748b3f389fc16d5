"""How much of long answers one address, and all of them together, may leave unread."""

import pytest

from chassis.problems import Overloaded, RateLimited
from chassis.settings import Settings
from gateway.protection.unread import Unread

MIB = 1_048_576


def bounds(**changes: int) -> Unread:
    return Unread(Settings(unread_answers_per_ip=100, unread_bytes_per_ip=4 * MIB), **changes)


def test_an_address_leaves_so_many_bytes_unread_and_no_more() -> None:
    unread = bounds()
    first = unread.begin("a", 3 * MIB)
    with pytest.raises(RateLimited) as refused:
        unread.begin("a", 2 * MIB)
    assert refused.value.headers["Retry-After"] == "1"
    unread.begin("b", 2 * MIB).end()  # another address has as much
    first.taken(MIB)
    second = unread.begin("a", 2 * MIB)  # what was read counts no more
    with pytest.raises(RateLimited):
        unread.begin("a", 1)
    second.end()  # nor what nobody will read
    third = unread.begin("a", 2 * MIB)
    first.end()
    third.end()
    unread.begin("a", 4 * MIB)


def test_one_answer_may_be_longer_than_all_that_an_address_may_leave() -> None:
    """Else nobody could ever have it."""
    unread = bounds()
    largest = unread.begin("a", 9 * MIB)
    with pytest.raises(RateLimited):
        unread.begin("a", 1)
    largest.end()
    unread.begin("a", 9 * MIB)


def test_an_answer_that_is_longer_than_it_said_frees_no_bytes_of_others() -> None:
    unread = bounds()
    unread.begin("a", 4 * MIB)
    unknown = unread.begin("a", 0)
    unknown.taken(3 * MIB)
    with pytest.raises(RateLimited):
        unread.begin("a", 1)


def test_all_addresses_together_have_so_many_answers_under_way() -> None:
    unread = bounds(answers_max=2)
    first = unread.begin("a", MIB)
    unread.begin("b", MIB)
    with pytest.raises(Overloaded):
        unread.begin("c", MIB)
    first.end()
    unread.begin("c", MIB)
