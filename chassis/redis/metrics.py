"""Metrics of Redis, by node. A node is named as it was connected to, so operators bound their number; more
than NODES_MAX are counted as `other`."""

from prometheus_client import Counter, Gauge

from chassis.observability.hot import HotCounter, HotHistogram
from chassis.redis.servers import Address

NODES_MAX = 64
OTHER = "other"

_COMMANDS = HotCounter("stampede_redis_commands_total", "Commands sent, in pipelines.", ["node"])
_SECONDS = HotHistogram(
    "stampede_redis_pipeline_seconds",
    "Time from sending a pipeline to its last answer.",
    ["node"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
_CUTS = Counter(
    "stampede_redis_cuts_total",
    "Connections lost or given up, also while connecting; what was under way is refused.",
    ["node"],
)
UP = Gauge(
    "stampede_redis_node_up",
    "1 if the primary answers, 0 if it does not.",
    ["node"],
    multiprocess_mode="livemostrecent",  # the relay's leader asks
)

_by_node: dict[str, "NodeFigures"] = {}


class NodeFigures:
    """The counters of one node."""

    def __init__(self, node: str) -> None:
        self.commands = _COMMANDS.labels(node).inc
        self.seconds = _SECONDS.labels(node).observe
        self.cut = _CUTS.labels(node).inc


def figures_of(address: Address | None) -> NodeFigures:
    name = str(address) if address is not None else OTHER
    if name not in _by_node and len(_by_node) >= NODES_MAX:
        name = OTHER
    found = _by_node.get(name)
    if found is None:
        found = _by_node[name] = NodeFigures(name)
    return found
