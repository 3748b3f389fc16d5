"""Hot code counts in plain numbers, which are written as prometheus_client would have counted them."""

from prometheus_client import CollectorRegistry, Histogram

from chassis.observability.hot import HotCounter, HotGauge, HotHistogram, write_hot

BOUNDS = (0.1, 0.2, 0.5)


def test_a_hot_counter_and_gauge_show_what_was_written_and_nothing_twice() -> None:
    registry = CollectorRegistry()
    counter = HotCounter("asked_total", "x", ["who"], registry=registry)
    gauge = HotGauge("here", "x", registry=registry)
    child = counter.labels("a")
    for _ in range(3):
        child.inc()
        gauge.inc()
    gauge.dec()
    assert registry.get_sample_value("asked_total", {"who": "a"}) == 0
    for _ in range(2):
        write_hot()
        assert registry.get_sample_value("asked_total", {"who": "a"}) == 3
        assert registry.get_sample_value("here") == 2


def test_a_hot_histogram_has_the_buckets_of_a_plain_one() -> None:
    registry = CollectorRegistry()
    hot = HotHistogram("hot_seconds", "x", registry=registry, buckets=BOUNDS)
    plain = Histogram("plain_seconds", "x", registry=registry, buckets=BOUNDS)
    for amount in (0.0, 0.1, 0.10001, 0.2, 0.3, 0.5, 7.0):
        hot.observe(amount)
        plain.observe(amount)
    write_hot()
    for suffix, labels in [
        ("_count", {}),
        ("_sum", {}),
        *(("_bucket", {"le": le}) for le in ("0.1", "0.2", "0.5", "+Inf")),
    ]:
        value = registry.get_sample_value(f"hot_seconds{suffix}", labels)
        assert value == registry.get_sample_value(f"plain_seconds{suffix}", labels)
        assert value is not None
