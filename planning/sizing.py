"""The machines that a sale needs, by arithmetic: what arrives in a second times what it costs.

Everything here grows with people, seats and habits, so more people never need fewer machines.
"""

import math

import msgspec

from chassis.settings import Settings
from gateway.protection.admission import RETRY_AFTER_MAX_S
from planning.demand import Sale
from planning.simulation.mails import MAILS_PER_S
from planning.simulation.outcome import Capacity
from planning.work import Work

HOLDS_PER_S = 16_000.0  # orders of one session on one shard: a hold and a keep (issue 10, part 7)
ASKS_AGAIN_S = (
    1 + RETRY_AFTER_MAX_S + 1
) / 2  # in the mean: Retry-After, and a second of their own
TWO = 2  # of what must not be missing when one machine is
WORKER_CONNECTIONS = (
    30  # pools of the consumers, senders and sweepers, and what leads holds one each
)
PEAK_S = 1.0  # all orders at once are all orders within so long
ANSWER_BYTES = {
    "read": 2_000,
    "order": 1_900,
    "refused": 900,
}  # heads and TLS included, uncompressed
VISIT_BYTES = 107_300  # a first visit's files (docs/benchmarks.md)
SEAT_BYTES = 1.05  # in Redis: 209,999 bytes for 200,000 (docs/benchmarks.md)


class Rates(msgspec.Struct, frozen=True):
    """Answers a second at the worst time of each kind."""

    reads: float
    logins: float
    final: float  # orders and sold-out refusals
    again: float  # 503 to those who come back, while all of the opening wait
    pays: float
    robots: float  # each of what their limit lets through, and of what it does not
    orders: float  # at the opening, if nothing stood in the way
    sold: float  # orders at the opening that the machines are for


class Processes(msgspec.Struct, frozen=True):
    """By service. In one process: `web` alone; apart: the others."""

    web: int
    gateway: int
    identity: int
    catalog: int
    booking: int
    notification: int
    worker: int


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed. Bytes are of the whole sale unless they are a second's."""

    one_machine: bool
    rates: Rates
    processes: Processes
    web_cores: float
    postgres_cores: float
    redis_cores: float
    worker_cores: float
    shards: int
    machines: dict[str, int]
    waiting_max: int  # people who wait: to refuse more takes the gateway all its processors
    connections: int
    connections_by: dict[str, int]
    web_memory: float
    redis_memory: float
    wal: float
    wal_per_s: float
    disk: float
    network_per_s: float
    visits_per_s: float
    mails: int
    mails_s: float

    @property
    def machines_all(self) -> int:
        return sum(self.machines.values())

    def capacity(self, sale: Sale) -> Capacity:
        """What the simulation is given."""
        web = self.processes
        tier = web.web or web.gateway + web.catalog + web.booking
        return Capacity(
            web=tier,
            gateways=web.web or web.gateway,
            postgres=max(1, math.ceil(self.postgres_cores)),
            shards=min(self.shards, sale.sessions),
            workers=web.worker,
            identity=max(1, web.identity),
            shared_cores=float(sale.cores) if self.one_machine else None,
            apart=not self.one_machine,
        )


def rates_of(sale: Sale) -> Rates:
    rush = sale.people * sale.at_opening
    late = sale.people - rush
    look_s = sale.look_minutes * 60

    asked = min(max(rush / sale.opening_s, late / sale.seconds), sale.orders / PEAK_S)

    def worst(each: float) -> float:
        return each * max(late / sale.seconds, rush / look_s)

    return Rates(
        reads=worst(sale.reads),
        logins=worst(sale.login_share),
        final=sale.people / sale.seconds,
        again=rush / ASKS_AGAIN_S,
        pays=sale.orders * sale.pay_share / min(2 * sale.pay_after_s, sale.seconds),
        robots=sale.robots * 10.0,
        orders=asked,
        sold=min(asked, sale.orders / sale.sell_within_s, HOLDS_PER_S * sale.sessions),
    )


def layout_of(sale: Sale, work: Work, settings: Settings | None = None) -> Layout:
    """Raises PlanError (by `sale.check`) if the question has no answer."""
    sale.check()
    rates = rates_of(sale)
    room = 1 - sale.headroom
    together = _web_us(rates, sale, work, 0.0)
    web_cores = sum(together.values()) / 1e6 / room
    postgres = rates.sold * work.order.postgres + rates.pays * work.pay.postgres
    postgres += rates.final * work.sold_out.postgres + rates.logins * work.login.postgres
    redis = rates.sold * work.order.redis + rates.pays * work.pay.redis
    redis += (rates.final + rates.robots) * work.sold_out.redis + rates.reads * work.read.redis
    worker = rates.sold * work.relay_us + rates.pays * work.pay_relay_us
    postgres, redis, worker = (us / 1e6 / room for us in (postgres, redis, worker))
    one_machine = web_cores + postgres + redis + worker <= sale.cores
    shards = 1 if one_machine else max(1, math.ceil(redis))
    mails = 2 * sale.orders  # please pay; then the receipt, or that it ran out
    workers = 1 if one_machine else max(TWO, math.ceil(mails / MAILS_PER_S / sale.seconds))
    processes = (
        Processes(max(1, math.ceil(web_cores)), 0, 0, 0, 0, 0, workers)
        if one_machine
        else _apart(rates, sale, work, workers)
    )
    by = _connections(processes, (settings or Settings()).database_pool_size)
    wal_order = work.wal_order_beside(sale.old_orders)
    paid = sale.orders * sale.pay_share
    return Layout(
        one_machine=one_machine,
        rates=rates,
        processes=processes,
        web_cores=web_cores,
        postgres_cores=postgres,
        redis_cores=redis,
        worker_cores=worker,
        shards=shards,
        machines=_machines(one_machine, processes, sale, shards),
        waiting_max=round(
            (processes.web or processes.gateway) * 1e6 / work.refused.web * ASKS_AGAIN_S
        ),
        connections=sum(by.values()),
        connections_by=by,
        web_memory=work.web_mb * 1e6 * sum(msgspec.to_builtins(processes).values()),
        redis_memory=sale.seats * SEAT_BYTES + sale.people * work.redis_person,
        wal=sale.orders * wal_order + paid * work.wal_pay,
        wal_per_s=rates.sold * wal_order + rates.pays * work.wal_pay,
        disk=sale.orders * work.disk_order + paid * work.disk_pay,
        network_per_s=_network(rates),
        visits_per_s=rates.reads / max(1, sale.reads) * VISIT_BYTES,
        mails=mails,
        mails_s=mails / MAILS_PER_S / workers,
    )


def _web_us(rates: Rates, sale: Sale, work: Work, apart_us: float) -> dict[str, float]:
    """CPU µs a second of each service, at the worst time."""
    orders = min(1.0, sale.orders / sale.people)
    order = work.order.web * orders + work.sold_out.web * (1 - orders)
    order_at_gateway = work.order.gateway * orders + work.sold_out.gateway * (1 - orders)
    gateway = rates.again * work.refused.web + rates.robots * work.limited.web
    gateway += rates.final * (order_at_gateway + apart_us)
    gateway += rates.robots * (work.sold_out.gateway + apart_us)
    for rate, cost in (
        (rates.pays, work.pay), (rates.reads, work.read), (rates.logins, work.login)
    ):  # fmt: skip
        gateway += rate * (cost.gateway + apart_us)
    return {
        "gateway": gateway,
        "identity": rates.logins * (work.login.web - work.login.gateway + apart_us),
        "catalog": rates.reads * (work.read.web - work.read.gateway + apart_us),
        "booking": max(
            rates.final * (order - order_at_gateway + apart_us),
            rates.sold * (work.order.web - work.order.gateway + apart_us),
        )
        + rates.robots * (work.sold_out.web - work.sold_out.gateway + apart_us)
        + rates.pays * (work.pay.web - work.pay.gateway + apart_us),
    }


def _apart(rates: Rates, sale: Sale, work: Work, workers: int) -> Processes:
    us = _web_us(rates, sale, work, work.apart_us)
    room = 1 - sale.headroom
    count = {name: max(TWO, math.ceil(spent / 1e6 / room)) for name, spent in us.items()}
    return Processes(0, **count, notification=TWO, worker=workers)


def _connections(processes: Processes, pool: int) -> dict[str, int]:
    """PostgreSQL's. The gateway has none."""
    by = {
        "web": processes.web * pool * 4,
        "identity": processes.identity * pool,
        "catalog": processes.catalog * pool,
        "booking": processes.booking * pool,
        "notification": processes.notification * pool,
        "worker": processes.worker * WORKER_CONNECTIONS,
    }
    return {name: count for name, count in by.items() if count}


def _machines(one_machine: bool, processes: Processes, sale: Sale, shards: int) -> dict[str, int]:
    """PostgreSQL is one machine with a standby, however many cores it needs."""
    if one_machine:
        return {"everything": 1}
    services = sum(msgspec.to_builtins(processes).values())
    return {
        "services": max(TWO, math.ceil(services / sale.cores)),
        "postgresql": TWO,
        "redis": max(TWO, math.ceil(TWO * shards / sale.cores)),  # primaries and replicas
    }


def _network(rates: Rates) -> float:
    """Bytes of answers a second, at the worst time."""
    refused = rates.again + rates.robots * 2 + rates.final
    return (
        rates.reads * ANSWER_BYTES["read"]
        + (rates.sold + rates.pays + rates.logins) * ANSWER_BYTES["order"]
        + refused * ANSWER_BYTES["refused"]
    )
