"""What a sale runs into as it grows, in the order in which it does."""

from collections.abc import Sequence

import msgspec

from chassis.settings import Settings
from planning.demand import Sale
from planning.sizing import HOLDS_PER_S, Layout
from planning.work import Work

LEAF_CLAIMS_PER_S = 300_000.0  # rows that one backend writes into one leaf of the claims' index


class Wall(msgspec.Struct, frozen=True):
    """`at_per_s`: orders a second at which it is hit. `reached`: this sale's opening asks for more.
    `grows`: it is as high as the machines are many."""

    name: str
    at_per_s: float
    reached: bool
    passed_by: str
    source: str
    grows: bool = False


def walls_of(
    sale: Sale, work: Work, layout: Layout, settings: Settings | None = None
) -> Sequence[Wall]:
    """Every wall, the one that is hit first in front."""
    asked = layout.rates.orders
    pool = (settings or Settings()).database_pool_size
    found = [
        Wall(
            "one hot session on one shard" if sale.sessions == 1 else "sessions on shards",
            at := HOLDS_PER_S * min(sale.sessions, layout.shards),
            asked > at,
            _shards_passed_by(sale, layout),
            "issue 10: a hold of 42 µs and its keep, quiet",
        ),
        Wall(
            "the relay of events",
            at := 1e6 / work.relay_us,
            asked > at,
            "waiting: orders go on, mails and availability come later; a cell (a PostgreSQL with its "
            "relay) for some of the sessions",
            f"create_order: {work.relay_us:,.0f} µs of the worker; one relay leads",
        ),
        Wall(
            "the claims' hot leaf in PostgreSQL's index",
            at := LEAF_CLAIMS_PER_S / sale.seats_an_order * sale.sessions,
            asked > at,
            "several sessions (another leaf each), or a cell",
            "ADR 61: claims written by one backend, one row after the other",
        ),
        Wall(
            "the gateway's CPU" if not layout.one_machine else "the CPU of the web processes",
            at := _gateway_per_s(work, layout),
            asked > at,
            "more machines with gateways"
            if not layout.one_machine
            else "more cores, or services apart",
            f"refusal_rate_limited: {work.order.gateway:,.0f} µs of {work.order.web:,.0f} an order",
            grows=True,
        ),
        *_booking(asked, work, layout),
        Wall(
            "max_connections",
            at := _connections_per_s(sale, work, layout, pool),
            asked > at,
            "a smaller STAMPEDE_DATABASE_POOL_SIZE, a larger max_connections, or PgBouncer",
            f"{layout.connections} connections for {sale.max_connections}; pools of "
            f"{pool} a service and process",
        ),
        Wall(
            "PostgreSQL's CPU",
            at := max(1, -(-layout.postgres_cores // 1)) * 1e6 / work.order.postgres,
            asked > at,
            "more cores up to 64 (50,000 orders/s on paper), then cells",
            f"create_order_strangers: {work.order.postgres:,.0f} µs of PostgreSQL",
            grows=True,
        ),
    ]
    return sorted(found, key=lambda wall: wall.at_per_s)


def _booking(asked: float, work: Work, layout: Layout) -> list[Wall]:
    if layout.one_machine:
        return []
    us = work.order.web - work.order.gateway + work.apart_us
    at = layout.processes.booking * 1e6 / us
    source = f"create_order_strangers and create_order_http: {us:,.0f} µs an order in booking"
    return [
        Wall(
            "booking's CPU",
            at,
            asked > at,
            "more processes of booking (--sell-within)",
            source,
            True,
        )
    ]


def _shards_passed_by(sale: Sale, layout: Layout) -> str:
    if sale.sessions > layout.shards:
        return "more shards"
    return "more sessions (a session is one shard's), or a faster core; the gateway's 503 hold the rest back"


def _gateway_per_s(work: Work, layout: Layout) -> float:
    processes = layout.processes
    if layout.one_machine:
        return processes.web * 1e6 / work.order.web
    return processes.gateway * 1e6 / (work.order.gateway + work.apart_us)


def _connections_per_s(sale: Sale, work: Work, layout: Layout, pool: int) -> float:
    """Orders a second of as many booking processes as have room for their pools."""
    if layout.one_machine:
        each, us = pool * 4, work.order.web
        others = layout.connections_by["worker"]
    else:
        each, us = pool, work.order.web - work.order.gateway + work.apart_us
        others = layout.connections - layout.connections_by["booking"]
    return max(0, (sale.max_connections - others) // each) * 1e6 / us
