"""Gauges that a process shows for a time, and withdraws: then a scrape leaves them out
(chassis.concurrency.measuring)."""

from collections.abc import Mapping

from prometheus_client import Gauge

from chassis.observability.metrics import forget

Labels = tuple[str, ...]


class Report:
    """What one measure shows of this process. Its gauges have at least one label."""

    def __init__(self) -> None:
        self._shown: dict[Gauge, set[Labels]] = {}

    def show(self, gauge: Gauge, values: Mapping[Labels, float]) -> None:
        """These values and no others of this gauge."""
        for labels in self._shown.get(gauge, set()) - values.keys():
            forget(gauge, *labels)
        for labels, value in values.items():
            gauge.labels(*labels).set(value)
        self._shown[gauge] = set(values)

    def withdraw(self) -> None:
        for gauge in self._shown:
            self.show(gauge, {})
