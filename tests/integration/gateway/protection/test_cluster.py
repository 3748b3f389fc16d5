"""The gateway's questions to a Redis cluster of which one node is dead."""

import tempfile
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chassis.settings import Settings
from gateway.protection import revocations
from gateway.protection.limits import Bucket, Policies
from tests.support.cluster import ClusterNode, RedisCluster, redis_cluster
from tests.support.gateway import rig

SHOW = f"/api/v1/shows/{uuid4()}"
ME = "/api/v1/auth/me"
TIGHT = {"rate_limit_per_ip": 0.1, "rate_limit_per_ip_burst": 4}


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    with redis_cluster(Path(tempfile.mkdtemp(prefix="cluster-")) / "nodes") as running:
        yield running


def address_on(cluster: RedisCluster, node: ClusterNode, *, same: bool) -> str:
    """An address whose requests are counted on that node, or on another one."""
    policy = Policies(Settings()).ip
    for number in range(1, 200):
        address = str(ip_address(f"203.0.113.{number}"))
        if (cluster.owner(Bucket.of(policy, address).key) is node) is same:
            return address
    raise AssertionError("no address of this network is counted there")


def login_on(cluster: RedisCluster, node: ClusterNode, *, same: bool) -> UUID:
    while True:
        login = uuid4()
        if (cluster.owner(revocations.key_of(login)) is node) is same:
            return login


async def test_only_what_the_dead_node_counted_is_counted_by_each_process_alone(
    cluster: RedisCluster,
) -> None:
    async with rig(cluster.url, **TIGHT) as one, rig(cluster.url, beside=one, **TIGHT) as other:
        dead = cluster.nodes[1]
        counted = address_on(cluster, dead, same=False)
        forgotten = address_on(cluster, dead, same=True)
        for edge in (one, other):
            assert (await edge.client.get(SHOW, peer="198.51.100.1")).status in {200, 429}
        dead.kill()

        async def let_in(peer: str) -> int:
            answers = [
                await edge.client.get(SHOW, peer=peer) for _ in range(6) for edge in (one, other)
            ]
            assert all(answer.header("ratelimit") for answer in answers)
            return [answer.status for answer in answers].count(200)

        assert await let_in(forgotten) == 2 * 4
        assert await let_in(counted) == 4


async def test_what_processes_let_in_is_reported_to_every_node(cluster: RedisCluster) -> None:
    """Each bucket by a script call of its own: they are in different slots."""
    wide = {"rate_limit_per_ip": 0.001, "rate_limit_per_ip_burst": 40}
    addresses = [f"203.0.113.{number}" for number in range(1, 31)]
    async with rig(cluster.url, **wide) as first:
        for peer in addresses:
            for _ in range(5):  # not one of them is asked about
                assert (await first.client.get(SHOW, peer=peer)).status == 200
    async with rig(cluster.url, beside=first, **wide) as later:
        for peer in addresses:
            answers = [await later.client.get(SHOW, peer=peer) for _ in range(6)]
            # three of five of each process: two are never told (ADR 96)
            assert (answers[-1].header("ratelimit") or "").startswith('"ip";r=33;')


async def test_an_ended_login_stays_ended_whichever_node_is_dead(cluster: RedisCluster) -> None:
    async with rig(cluster.url) as one, rig(cluster.url, beside=one) as other:
        dead = cluster.nodes[2]
        for same in (True, False):
            login = login_on(cluster, dead, same=same)
            one.identity.respond = one.identity.log_out(login)
            token = [one.bearer(login_id=login)]
            assert (await one.client.post("/api/v1/auth/logout", b"", token)).status == 204
            one.identity.respond = one.identity.echo
            if same:
                dead.kill()
            for edge in (one, other):
                assert (await edge.client.get(ME, token)).status == 401
            alive = [one.bearer(login_id=login_on(cluster, dead, same=same))]
            for edge in (one, other):
                assert (await edge.client.get(ME, alive)).status == 200
