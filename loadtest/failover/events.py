"""What happens to the platform in the middle of the sale, one after the other."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from booking.seats.keys import session_keys
from chassis.redis.slots import slot_of
from loadtest.failover.buyers import OnSale
from runtime.embedded.valkey_joining import ask as ask_node
from runtime.embedded.valkey_joining import owners
from runtime.topology.control import Part, Refused, Request, ask

SLOTS_MOVED = 8
MIGRATE_TIMEOUT_MS = 5_000
REFUSED_FOR_S = 30.0
AT_ONCE = 100  # keys of a slot that are moved by one command


class Platform:
    """The running cluster, as far as an operator can reach into it."""

    def __init__(self, control: str) -> None:
        self._control = control

    def do(self, what: str, name: str = "", *, planned: bool = False) -> str:
        """The last thing that it says. Raises Refused."""
        asked = Request(what, name, planned=planned)
        said = [reply.say for reply in ask(self._control, asked) if reply.say]
        return said[-1] if said else ""

    def who_takes_over(self) -> list[str]:
        """What stands before the gateways, and who promotes PostgreSQL's standby."""
        return [reply.say for reply in ask(self._control, Request("status")) if reply.say]

    def parts(self) -> list[Part]:
        return [part for reply in ask(self._control, Request("status")) for part in reply.parts]

    def primaries(self) -> list[Part]:
        return [one for one in self.parts() if one.role.startswith("primary of")]

    def owner_port(self, slot: int) -> int:
        ranges = owners(self.primaries()[0].port)
        return next(port for first, last, port in ranges if first <= slot <= last)


@dataclass(frozen=True)
class Event:
    """`happen` returns what it says when it is over."""

    name: str
    happen: Callable[[], str]


def slot_of_session(session_id: str) -> int:
    return slot_of(session_keys(UUID(session_id))[0])


def all_events(platform: Platform, on_sale: Sequence[OnSale]) -> list[Event]:
    """In their order. Every Valkey node that is a primary now is killed once."""
    names = {part.name for part in platform.parts()}
    kills = [(f"kill -9 {one.name} (primary)", one.name) for one in platform.primaries()]
    patroni = _has(platform, "patroni")
    who = "Patroni promotes" if patroni else "promote"
    kills += [(f"kill -9 PostgreSQL's primary, {who}", "postgresql")]
    kills += [("kill -9 the NATS leader", "nats")] if _has(platform, "nats") else []
    services = ("identity", "catalog", "booking", "notification", "gateway")
    kills += [(f"kill -9 one {name}", name) for name in services]
    kills += [("kill -9 HAProxy", "haproxy")] if "haproxy" in names else []
    kills += [("kill -9 a worker", "worker")]
    events = [Event(name, lambda part=part: platform.do("failover", part)) for name, part in kills]  # type: ignore[misc]
    if patroni:
        events.insert(3, Event("PostgreSQL hands over", lambda: hand_over(platform)))
    events.insert(3, Event("FLUSHALL on one primary", lambda: flush(platform, on_sale[0])))
    events += [
        Event("reshard: slots of sessions on sale", lambda: reshard(platform, on_sale[-1])),
        Event("rolling restart of everything", lambda: platform.do("restart")),
    ]
    return events


def _has(platform: Platform, kind: str) -> bool:
    return any(part.name.startswith(f"{kind}-") for part in platform.parts())


def hand_over(platform: Platform) -> str:
    return platform.do("failover", "postgresql", planned=True)


def flush(platform: Platform, session: OnSale) -> str:
    """The node of this session loses everything."""
    port = platform.owner_port(slot_of_session(session.session_id))
    ask_node(port, "FLUSHALL")
    return f"the node at {port} is empty"


def reshard(platform: Platform, session: OnSale) -> str:
    """Moves a session's slot, and some beside it, to another primary, as an operator's tool does."""
    slot = slot_of_session(session.session_id)
    ranges = owners(platform.primaries()[0].port)
    _, last, source = next(one for one in ranges if one[0] <= slot <= one[1])
    target = next(port for _, _, port in ranges if port != source)
    slots = range(slot, min(last, slot + SLOTS_MOVED - 1) + 1)
    for one in slots:
        _move(one, source, target)
    return f"{len(slots)} slots moved from the node at {source} to the one at {target}"


def _move(slot: int, source: int, target: int) -> None:
    ids = {port: ask_node(port, "CLUSTER", "MYID").decode() for port in (source, target)}
    ask_node(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    ask_node(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    while keys := ask_node(source, "CLUSTER", "GETKEYSINSLOT", slot, AT_ONCE):
        names = ("KEYS", *(key.decode() for key in keys))
        ask_node(source, "MIGRATE", "127.0.0.1", target, "", 0, MIGRATE_TIMEOUT_MS, *names)
    ask_node(target, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])
    ask_node(source, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])


async def happens(event: Event) -> str:
    """Waits while the platform refuses it: what was killed before may still catch up."""
    give_up = time.monotonic() + REFUSED_FOR_S
    while True:
        try:
            return await asyncio.to_thread(event.happen)
        except Refused:
            if time.monotonic() > give_up:
                raise
        await asyncio.sleep(1.0)
