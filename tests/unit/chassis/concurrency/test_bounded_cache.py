"""A cache that keeps the last so many."""

from chassis.concurrency.cache import BoundedCache


def test_the_one_that_was_put_longest_ago_makes_room() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)
    cache.put("c", 4)
    assert list(cache) == ["a", "c"]
    assert [cache.get(key) for key in "abc"] == [3, None, 4]
    assert "b" not in cache


def test_what_is_dropped_is_gone_and_may_be_dropped_again() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1)
    cache.drop("a")
    cache.drop("a")
    assert cache.get("a", 7) == 7
    cache.put("b", 2)
    cache.clear()
    assert list(cache) == []
