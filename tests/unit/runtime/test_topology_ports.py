"""The ports of a cluster on one machine are all different, close together, and missed when taken."""

import socket
from ipaddress import ip_network
from pathlib import Path

import pytest

from chassis.settings import Settings
from loadtest.flash_sale import free_ports
from runtime.embedded import ServerPorts
from runtime.services import SERVICES
from runtime.starting import StartError, is_clusters
from runtime.topology.processes import OF_EACH_MAX, Ports, children
from tests.support.haproxy import program


def test_no_two_parts_have_one_port_but_the_gateways() -> None:
    ports = Ports(8000, OF_EACH_MAX)
    services = [port for name in SERVICES for port in ports.of(name)]
    taken = [8000, *services, *ServerPorts.beside(8000).all()]
    assert len(taken) == len(set(taken))
    assert set(taken) <= set(range(8000, 8089))
    assert ports.of("gateway") == [8000] * OF_EACH_MAX


def test_behind_a_balancer_each_gateway_has_a_port_of_its_own_and_believes_it_only(
    tmp_path: Path,
) -> None:
    ports = Ports(8000, OF_EACH_MAX, balanced=True)
    services = [port for name in ("gateway", *SERVICES) for port in ports.of(name)]
    taken = [8000, *services, *ServerPorts.beside(8000).all()]
    assert len(taken) == len(set(taken))
    assert set(taken) <= set(range(8000, 8089))

    given = {
        "data_dir": tmp_path,
        "host": "0.0.0.0",
        "trusted_proxies": (ip_network("10.0.0.0/8"),),
    }
    made = {
        one.name: one
        for one in children(Settings(**given), Ports(8000, 2, balanced=True), program())
    }
    assert list(made)[-5:] == ["gateway-1", "gateway-2", "haproxy", "worker-1", "worker-2"]
    first, second = made["gateway-1"], made["gateway-2"]
    assert (first.env["STAMPEDE_PORT"], second.env["STAMPEDE_PORT"]) == ("8010", "8011")
    assert "STAMPEDE_HOST" not in first.env  # the default: loopback
    assert first.env["STAMPEDE_TRUSTED_PROXIES"] == "10.0.0.0/8,127.0.0.66/32"
    assert made["booking-1"].env["STAMPEDE_TRUSTED_PROXIES"] == "10.0.0.0/8"
    assert first.counted_with == second.counted_with == made["worker-1"].counted_with
    written = (tmp_path / "haproxy.cfg").read_text()
    assert "bind 0.0.0.0:8000\n" in written
    assert "server gateway-2 127.0.0.1:8011 check\n" in written


def test_each_process_knows_both_of_every_service_and_the_public_address() -> None:
    loaded = Settings(port=8000, database_url="postgresql://x/y", redis_url="redis://x")
    made = {one.name: one for one in children(loaded, Ports(8000, 2))}
    assert list(made)[:2] == ["identity-1", "identity-2"]
    assert list(made)[-2:] == ["worker-1", "worker-2"]
    booking = made["booking-2"].env
    assert booking["STAMPEDE_PORT"] == "8041"
    assert booking["STAMPEDE_BOOKING_URL"] == "http://127.0.0.1:8040,http://127.0.0.1:8041"
    assert booking["STAMPEDE_PUBLIC_URL"] == "http://localhost:8000"
    assert "STAMPEDE_PORT" not in made["gateway-1"].env  # the default


def test_a_taken_port_is_named() -> None:
    base = free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 41))
        taken.listen()
        with pytest.raises(StartError, match=f":{base + 41} "):
            Ports(base, 2).check(Settings(port=base))


@pytest.mark.parametrize(("port", "of_each"), [(65_500, 2), (8000, OF_EACH_MAX + 1)])
def test_what_has_no_room_is_refused(port: int, of_each: int) -> None:
    with pytest.raises(StartError):
        Ports(port, of_each).check(Settings(port=port))


def test_commands_mean_the_data_that_are_there(tmp_path: Path) -> None:
    loaded = Settings(data_dir=tmp_path)
    assert not is_clusters(loaded)
    (tmp_path / "cluster").mkdir()
    assert is_clusters(loaded)
    (tmp_path / "postgres").mkdir()
    assert not is_clusters(loaded)
    assert is_clusters(Settings(data_dir=tmp_path, topology="cluster"))
