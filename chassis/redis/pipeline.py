"""The commands of all requests of a process on their way to Redis: one server, or a cluster's nodes.

Each node has one connection on which commands travel in pipelines (chassis.redis.node). Ours instead
of redis-py's, which costs six times the Python per command (ADR 27), more in a cluster (ADR 52);
redis-py still makes sense of the URL.

Whether the server belongs to a cluster is found out with the first connection. Then a command goes to
the node that has its key's slot. A node that answers MOVED, ASK or TRYAGAIN did not execute the command,
so it is sent again, to the node that was named, within the time that an answer may take. Nothing else
is ever sent twice. The map of slots is read anew after a cut, MOVED or CLUSTERDOWN, at most every
REFRESH_S. Source: Redis cluster specification, "Redirection and resharding".
"""

import asyncio
import contextlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

import hiredis

from chassis.problems import Overloaded, Unavailable
from chassis.redis.connection import Connection, Refused, open_connection
from chassis.redis.discovery import ask_for_ranges, ask_sentinel, ranges_of
from chassis.redis.node import AGAIN, Command, Group, Node
from chassis.redis.servers import Address, Servers
from chassis.redis.slots import (
    SLOTS,
    Call,
    Range,
    key_of,
    parse_redirection,
    slot_of,
)

WAITING_MAX = 20_000  # commands waiting or under way; beyond it the caller is told 503
HOPS_MAX = 100  # of one command
QUICK_HOPS = 4  # each further one waits: a slot that is being moved sends commands to and fro
REFRESH_S = 0.1
TRY_AGAIN_S = 0.01  # a slot's keys are between two nodes for as long as their move takes
MAP_TIMEOUT_S = 0.5  # a node that is asked for the map

NO_CLUSTER = "several servers that are no cluster"
_NOT_COVERED = "No node of the Redis cluster has this key."


class Pipeline:
    """`submit(call)`, `submit_all(calls)`, `submit_each(calls)`: futures of what Redis answers.

    servers: where they are. script_texts: what is taught to a server that lost its scripts, by digest.
    """

    def __init__(
        self, servers: Servers, script_texts: Mapping[str, str], *, answer_timeout_s: float
    ) -> None:
        self._servers = servers
        self._script_texts = script_texts
        self._answer_timeout_s = answer_timeout_s
        self._waiting = 0
        self._drained: asyncio.Future[None] | None = None
        self._first = self._node(None)  # the only server; or the URL's, until they name a cluster
        self._nodes: dict[Address, Node] = {}
        self._slots: list[Node | None] | None = None  # None: not a cluster, or not known yet
        self._refreshing: asyncio.Task[None] | None = None
        self._refreshed_at = float("-inf")
        self._closed = False

    def submit(self, call: Call, *, beside: str | bytes | None = None) -> "asyncio.Future[Any]":
        """beside: a key whose node shall answer a command that names none."""
        return self._submit((call,), beside, single=True)

    def submit_all(self, calls: Sequence[Call]) -> "asyncio.Future[list[Any]]":
        """One future of all answers in order; the first failure is raised for all of them."""
        return self._submit(calls)

    def submit_each(self, calls: Sequence[Call]) -> "asyncio.Future[list[Any]]":
        """One future of all answers in order, of which some may be exceptions."""
        return self._submit(calls, each=True)

    def submit_to_each_node(self, call: Call, *, each: bool = False) -> "asyncio.Future[list[Any]]":
        """Every primary's answer, in the order of `primaries()`; the first failure is raised for all of
        them, or with `each` is an answer too."""
        nodes = self._primaries()
        group = self._group(len(nodes), each=each)
        for place, node in enumerate(nodes):
            node.enqueue(Command(call, group, place))
        return group.future

    def primaries(self) -> list[Address | None]:
        """Where each leads. None: not connected now, where there is one server only."""
        return [node.connected_to for node in self._primaries()]

    def _primaries(self) -> list[Node]:
        return list(self._nodes.values()) if self._slots is not None else [self._first]

    @property
    def is_known(self) -> bool:
        """Whether it has been connected, so that a cluster's nodes are known."""
        return self._slots is not None or self._first.connected_to is not None

    @property
    def is_one_server(self) -> bool:
        """Whether it has been connected, and is no cluster: a script may have any keys."""
        return self._slots is None and self.is_known

    def node_of(self, key: str | bytes) -> Address | None:
        """The node that has the key now; None where there is one server only."""
        if self._slots is None:
            return None
        node = self._slots[slot_of(key)]
        return node.address if node is not None else Address("", slot_of(key))

    def connected_since(self, key: str | bytes) -> float | None:
        """When the present connection to the key's node was made, by the loop's clock; None without one."""
        node = self._first if self._slots is None else self._slots[slot_of(key)]
        return node.connected_since if node is not None else None

    async def close(self) -> None:
        """After what is under way; what waits then is Unavailable."""
        if self._waiting:
            self._drained = asyncio.get_running_loop().create_future()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained, self._answer_timeout_s)
        self._closed = True
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait((self._refreshing,))
        await asyncio.gather(*(node.close() for node in (self._first, *self._nodes.values())))

    def _submit(
        self,
        calls: Sequence[Call],
        beside: str | bytes | None = None,
        *,
        single: bool = False,
        each: bool = False,
    ) -> "asyncio.Future[Any]":
        group = self._group(len(calls), single=single, each=each)
        if self._slots is None:
            for place, call in enumerate(calls):
                self._first.enqueue(Command(call, group, place, beside))
        else:
            for place, call in enumerate(calls):
                self._dispatch(Command(call, group, place, beside))
        return group.future

    def _group(self, commands: int, *, single: bool = False, each: bool = False) -> Group:
        if self._waiting >= WAITING_MAX:
            raise Overloaded()
        loop = asyncio.get_running_loop()
        self._waiting += commands
        return Group(loop.create_future(), commands, loop.time(), single=single, each=each)

    def _dispatch(self, command: Command) -> None:
        assert self._slots is not None
        if self._closed:
            self.settle(command, Unavailable("Redis was closed."))
            return
        try:
            key = command.beside if command.beside is not None else key_of(command.call)
            slot = slot_of(key) if key is not None else None
        except (AttributeError, IndexError, TypeError) as mistake:
            self.settle(command, mistake)
            return
        node = random.choice(list(self._nodes.values())) if slot is None else self._slots[slot]
        if node is None:
            self.settle(command, Unavailable(_NOT_COVERED))
            self._refresh_soon()
        else:
            node.enqueue(command)

    def _enqueue(self, node: Node, command: Command) -> None:
        if self._closed:
            self.settle(command, Unavailable("Redis was closed."))
        else:
            node.enqueue(command)

    # What a node needs of its owner (chassis.redis.node.Router).

    def settle(self, command: Command, answer: Any) -> None:
        assert command.group is not None
        self._waiting -= 1
        command.group.settle(command.place, answer)
        if self._drained is not None and not self._waiting and not self._drained.done():
            self._drained.set_result(None)

    def redirect(self, node: Node, command: Command, text: str) -> Any:
        assert command.group is not None
        loop = asyncio.get_running_loop()
        late = loop.time() - command.group.born > self._answer_timeout_s
        word = text.split(" ", 1)[0]
        asked = node.connected_to
        if self._slots is None:  # it has become a cluster's since: the next command finds that out
            loop.call_soon(node.cut_off, f"Redis is not ready ({word}).")
        if self._slots is None or asked is None or late or command.hops >= HOPS_MAX:
            return Unavailable(f"Redis is not ready ({word}).")
        again = command.once_more()
        again.hops += 1
        if word == "TRYAGAIN":
            loop.call_later(TRY_AGAIN_S, self._dispatch, again)
            return AGAIN
        again.asking = word == "ASK"
        if not again.asking:
            self._refresh_soon()
        target = self._node_at(parse_redirection(text, asked))
        if again.hops > QUICK_HOPS:
            loop.call_later(TRY_AGAIN_S, self._enqueue, target, again)
        else:
            target.enqueue(again)
        return AGAIN

    def unwell(self, node: Node) -> None:
        if self._slots is not None:
            self._refresh_soon()

    async def open(self, node: Node) -> Connection | None:
        if node.address is not None:
            return await self._connect(node.address, node)
        if self._servers.primary_name is not None:
            return await self._connect_to_primary(node)
        failure: Exception = Refused("no server is named")
        for address in self._servers.addresses:
            try:
                async with self._share():
                    connection = await self._connect(address, node)
                    ranges = await ranges_of(connection)
            except (OSError, Refused, hiredis.HiredisError) as failed:
                failure = failed
                continue
            if ranges is None and len(self._servers.addresses) == 1:
                return connection
            connection.abort()
            if ranges is None:
                raise Refused(NO_CLUSTER)
            if not ranges:
                raise Refused("the cluster's slots have no nodes")
            self._use(ranges)
            for command in node.take_waiting():
                self._dispatch(command)
            return None
        raise failure

    def _node(self, address: Address | None) -> Node:
        return Node(address, self, self._script_texts, self._answer_timeout_s)

    def _node_at(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes[address] = self._node(address)
        return node

    def _share(self) -> asyncio.Timeout:
        """Time for one of the URL's servers: one that is silent leaves some to the others."""
        return asyncio.timeout(self._answer_timeout_s / len(self._servers.addresses))

    async def _connect(self, address: Address, node: Node) -> Connection:
        return await open_connection(
            address,
            self._servers.credentials,
            self._servers.tls(),
            arrived=node.arrived,
            lost=node.lost,
        )

    async def _connect_to_primary(self, node: Node) -> Connection:
        connection = await self._connect(await self._ask_sentinels(), node)
        try:
            role = await connection.ask("ROLE")
            if role[0] != b"master":
                raise Refused("the sentinels' primary is a replica by now")
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _ask_sentinels(self) -> Address:
        """Where the primary is. Raises Refused when no sentinel that answers knows it."""
        failure: Exception = Refused("no sentinel is named")
        for address in self._servers.addresses:
            try:
                async with self._share():
                    primary = await ask_sentinel(address, self._servers)
            except (OSError, Refused, hiredis.HiredisError) as failed:
                failure = failed
                continue
            if primary is not None:
                return primary
            failure = Refused(f"no sentinel knows the primary {self._servers.primary_name}")
        raise failure

    def _refresh_soon(self) -> None:
        if self._refreshing is None:
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(max(0.0, self._refreshed_at + REFRESH_S - loop.time()))
            known = list(self._nodes)
            random.shuffle(known)
            for address in dict.fromkeys([*known, *self._servers.addresses]):
                try:
                    async with asyncio.timeout(MAP_TIMEOUT_S):
                        ranges = await ask_for_ranges(address, self._servers)
                except (OSError, Refused, hiredis.HiredisError):
                    continue
                if ranges:
                    self._use(ranges)
                    return
        finally:
            self._refreshed_at = loop.time()
            self._refreshing = None

    def _use(self, ranges: Sequence[Range]) -> None:
        slots: list[Node | None] = [None] * SLOTS
        named = {one.primary for one in ranges}
        for one in ranges:
            slots[one.first : one.last + 1] = [self._node_at(one.primary)] * (
                one.last - one.first + 1
            )
        self._slots = slots
        gone = [self._nodes.pop(address) for address in list(self._nodes) if address not in named]
        for node in gone:
            node.retire()
