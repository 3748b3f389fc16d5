"""Valkey nodes and NATS servers that form clusters: killed, taken over, started again, half of them gone."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.embedded import EmbeddedError
from runtime.embedded.account import choose_account, let_reach, make_folder
from runtime.embedded.nats import NatsPorts, NatsServers, find_program
from runtime.embedded.valkey_joining import NodePorts, ask
from runtime.embedded.valkey_nodes import NODES, ValkeyNodes
from tests.support.servers import eventually, quiet_port

START_TIMEOUT_S = 60.0
KEY = "kept-0"  # of a slot of the second primary


def never() -> bool:
    return False


class Home:
    """A folder in which clusters are started, each time on other ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._account = choose_account(folder)
        make_folder(folder / "logs", self._account)
        let_reach(folder / "logs", self._account)
        self._stop: list[Callable[[], None]] = []

    def valkey(self) -> ValkeyNodes:
        ports = [NodePorts(quiet_port(), quiet_port()) for _ in range(NODES)]
        nodes = ValkeyNodes(
            self.folder / "valkey", self.folder / "logs", self._account, ports, lambda *_: None
        )
        self._stop += [
            nodes.stop,
            nodes.ask_stop,
        ]  # all at once, or a replica takes a primary's place
        nodes.launch()
        nodes.form(never, START_TIMEOUT_S)
        return nodes

    def nats(self) -> NatsServers:
        program = find_program()
        assert program is not None
        ports = [NatsPorts(quiet_port(), quiet_port(), quiet_port()) for _ in range(3)]
        servers = NatsServers(
            self.folder / "nats",
            self.folder / "logs",
            self._account,
            ports,
            lambda *_: None,
            program=program,
        )
        self._stop.append(servers.stop)
        servers.launch()
        servers.wait_for_leader(never, START_TIMEOUT_S)
        return servers

    def stop(self) -> None:
        while self._stop:
            self._stop.pop()()


@pytest.fixture
def home(scratch: Path, request: pytest.FixtureRequest) -> Iterator[Home]:
    home = Home(scratch / request.node.name)
    yield home
    home.stop()
    shutil.rmtree(home.folder, ignore_errors=True)


def roles(nodes: ValkeyNodes) -> list[str]:
    return [f"{one.role} {one.of}".strip() for one in nodes.states()]


FIRST = ["primary"] * 3 + ["replica valkey-1", "replica valkey-2", "replica valkey-3"]


def test_a_replica_takes_a_killed_primarys_place_and_the_next_start_knows_it(home: Home) -> None:
    nodes = home.valkey()
    assert roles(nodes) == FIRST
    second = nodes.state("valkey-2")
    assert ask(second.port, "SET", KEY, "1") == b"OK"
    assert ask(second.port, "WAIT", 1, 5_000) == 1
    nodes.kill("valkey-2")
    nodes.poll()
    assert nodes.state("valkey-2").role == "away"
    assert eventually(lambda: nodes.owner_of(second.first_slot, beside="valkey-2") == "valkey-5")
    nodes.restart("valkey-2")
    assert eventually(lambda: nodes.state("valkey-2").in_sync)
    turned = [*FIRST]
    turned[1], turned[4] = "replica valkey-5", "primary"
    assert roles(nodes) == turned
    home.stop()
    again = home.valkey()
    assert roles(again) == turned
    assert ask(again.state("valkey-5").port, "GET", KEY) == b"1"


def test_a_node_without_its_files_gets_its_place_back(home: Home) -> None:
    home.valkey()
    home.stop()
    shutil.rmtree(home.folder / "valkey" / "4")
    again = home.valkey()
    assert roles(again) == FIRST
    assert again.state("valkey-4").in_sync


@pytest.mark.long
def test_half_a_cluster_says_how_many_slots_have_no_node(home: Home) -> None:
    home.valkey()
    home.stop()
    for number in (1, 4):
        shutil.rmtree(home.folder / "valkey" / str(number))
    with pytest.raises(EmbeddedError, match=r"no node for 5461 of its slots: delete .*valkey"):
        home.valkey()


def test_a_node_that_died_by_itself_is_started_again(home: Home) -> None:
    nodes = home.valkey()
    ask_to_die = nodes.state("valkey-3").pid
    assert ask_to_die is not None
    with pytest.raises(Exception):  # noqa: B017  its connection ends
        ask(nodes.state("valkey-3").port, "SHUTDOWN", "NOSAVE")

    def back() -> bool:
        nodes.poll()
        return nodes.state("valkey-3").pid not in {None, ask_to_die}

    assert eventually(back)
    assert eventually(lambda: nodes.state("valkey-3").role != "away")


def test_another_server_leads_when_the_leader_of_nats_is_killed(home: Home) -> None:
    servers = home.nats()
    first = servers.leader()
    servers.kill(first)
    servers.poll()
    assert [one.role for one in servers.states() if one.name == first] == ["away"]
    assert eventually(lambda: servers.leader(beside=first) not in {"", first}, 60)
    servers.restart(first)
    roles = ["leader", "member", "member"]
    assert eventually(lambda: sorted(one.role for one in servers.states()) == roles)
