"""What one answer of each kind costs, derived from the cases of the bench."""

import msgspec

from planning.costs import CaseCost, Costs

LOCUST_US = 105.0  # 2.0 CPU seconds for 19,000 answers of the flash sale (docs/benchmarks.md)
MAIL_WORKER_US = 250.0  # ADR 25
MAIL_POSTGRES_US = 100.0
STATEMENT = (300.0, 70.0)  # µs of PostgreSQL: a statement, and an order in it (docs/benchmarks.md)
BATCH = 6  # orders a statement when the bench measured with 64 connections and two processes
WORKER_IDLE_US = 35_000.0  # a second of the worker, orders or none (ADR 25)
WAL_FULL = 18_300.0  # bytes of an order's log beside FULL old orders (issue 10: 16,400 to 18,300)
FULL = 10_000_000
# Bytes where the file has none: an order's log and disk, a payment's, and a person's keys in Redis.
VOLUMES = {"wal": 4_000.0, "disk": 2_500.0, "pay wal": 8_000.0, "pay disk": 5_000.0, "redis": 900.0}


class Cost(msgspec.Struct, frozen=True):
    """CPU µs of one answer by where it is spent. `gateway` is a part of `web`."""

    web: float
    gateway: float
    postgres: float
    redis: float


class Work(msgspec.Struct, frozen=True):
    """The costs of everything that a sale consists of."""

    read: Cost
    login: Cost
    order: Cost
    pay: Cost
    sold_out: Cost
    limited: Cost
    refused: Cost  # 503, come back later
    apart_us: float  # more, on each side, where gateway and services are separate processes
    relay_us: float  # of the worker, for the events of one order
    pay_relay_us: float
    statement_us: float  # of PostgreSQL, whatever is in the statement
    order_in_statement_us: float
    web_mb: float
    wal_order: float  # bytes, beside few old orders; a payment's too
    wal_pay: float
    disk_order: float
    disk_pay: float
    redis_person: float  # bytes: limits, idempotency key, hold

    def wal_order_beside(self, old_orders: int) -> float:
        """Random user ids touch another page of an index with each order, once there are many."""
        full = max(self.wal_order, WAL_FULL)
        return self.wal_order + (full - self.wal_order) * min(1.0, old_orders / FULL)

    @classmethod
    def of(cls, costs: Costs, *, known: bool = False) -> "Work":
        """known: the process that gets an order has had a request with its token before."""
        case = costs.cases
        order, strangers = case["create_order"], case["create_order_strangers"]
        gateway = case["refusal_rate_limited"].cpu_us["web"]  # all that it does for a request
        scale = order.cpu_us["postgres"] / (STATEMENT[0] / BATCH + STATEMENT[1])
        order_bytes = _volumes(order, VOLUMES)
        bought = _volumes(
            case["purchase"],
            {kind: order_bytes[kind] + VOLUMES[f"pay {kind}"] for kind in ("wal", "disk")},
        )
        return cls(
            read=_cost(case["browse"], gateway),
            login=_cost(case["login"], gateway),
            order=_cost(order if known else strangers, gateway),
            pay=_difference(case["purchase"], order, gateway),
            sold_out=_plus(
                _cost(case["refusal_sold_out"], gateway), 0.0 if known else _new_token(costs)
            ),
            limited=_cost(case["refusal_rate_limited"], gateway),
            refused=_refused(costs),
            apart_us=max(0.0, (case["create_order_http"].cpu_us["web"] - order.cpu_us["web"]) / 2),
            relay_us=_relayed(order),
            pay_relay_us=max(1.0, case["purchase"].cpu_us["worker"] - order.cpu_us["worker"]),
            statement_us=STATEMENT[0] * scale,
            order_in_statement_us=STATEMENT[1] * scale,
            web_mb=max(one.rss_mb for one in case.values()) / _processes(costs),
            wal_order=order_bytes["wal"],
            wal_pay=max(0.0, bought["wal"] - order_bytes["wal"]),
            disk_order=order_bytes["disk"],
            disk_pay=max(0.0, bought["disk"] - order_bytes["disk"]),
            redis_person=_volumes(strangers, VOLUMES)["redis"],
        )


def _cost(case: CaseCost, gateway: float) -> Cost:
    cpu = case.cpu_us
    return Cost(cpu["web"], min(gateway, cpu["web"]), cpu["postgres"], cpu["redis"])


def _difference(whole: CaseCost, part: CaseCost, gateway: float) -> Cost:
    """Of a purchase what paying is: one answer less than the case has."""
    of = {
        kind: max(1.0, whole.cpu_us[kind] - part.cpu_us[kind])
        for kind in ("web", "postgres", "redis")
    }
    return Cost(of["web"], min(gateway, of["web"]), of["postgres"], of["redis"])


def _volumes(case: CaseCost, otherwise: dict[str, float]) -> dict[str, float]:
    """A size that is not in the file, or came out as nothing, is that of another machine."""
    found = {kind: size for kind, size in case.volumes.items() if size > 0}
    return {**otherwise, **found}


def _new_token(costs: Costs) -> float:
    """What a token costs that a process has not seen: everybody comes once or twice."""
    known, new = (
        costs.cases[name].cpu_us["web"] for name in ("create_order", "create_order_strangers")
    )
    return max(0.0, new - known)


def _plus(cost: Cost, us: float) -> Cost:
    return Cost(cost.web + us, cost.gateway + us, cost.postgres, cost.redis)


def _refused(costs: Costs) -> Cost:
    """What remains of the overload's CPU without that of its orders, for each 503."""
    case, order = costs.cases["overload"], costs.cases["create_order"]
    served = case.by_status.get("201", 0)
    refused = case.by_status.get("503", 0)
    least = costs.cases["bare_asgi"].cpu_us["web"]
    if not refused:
        return Cost(2 * least, 2 * least, 0.0, 0.0)
    us = (case.cpu_us["web"] - order.cpu_us["web"]) * served / refused
    us = max(least, us)
    return Cost(us, us, 0.0, 0.0)


def _relayed(order: CaseCost) -> float:
    return max(1.0, order.cpu_us["worker"] - WORKER_IDLE_US / max(order.per_second, 1.0))


def _processes(costs: Costs) -> int:
    return int(costs.machine.get("workers", 2)) + 1  # and the worker
