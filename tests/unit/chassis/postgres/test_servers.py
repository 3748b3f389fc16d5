"""The servers that a database URL names, in both spellings."""

import socket

import pytest

from chassis.postgres.connecting import notice_a_dead_peer, servers_of


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("postgresql://a:1,b:2/db", ["postgresql://a:1/db", "postgresql://b:2/db"]),
        ("postgresql://a/db", ["postgresql://a/db"]),
        ("postgresql:///db", ["postgresql:///db"]),
        (
            "postgres://u:p,q%40@[::1]:5,c/db?ssl=require",
            ["postgres://u:p,q%40@[::1]:5/db?ssl=require", "postgres://u:p,q%40@c/db?ssl=require"],
        ),
        (
            "postgresql:///db?host=/tmp/a%20b,/tmp/c&port=1,2",
            ["postgresql:///db?host=/tmp/a%20b&port=1", "postgresql:///db?host=/tmp/c&port=2"],
        ),
        (
            "postgresql://u@/db?host=a,b&port=7&target_session_attrs=any",
            [
                "postgresql://u@/db?host=a&port=7&target_session_attrs=any",
                "postgresql://u@/db?host=b&port=7&target_session_attrs=any",
            ],
        ),
    ],
)
def test_each_server_has_a_url_of_its_own(url: str, servers: list[str]) -> None:
    assert list(servers_of(url)) == servers


def test_a_peer_that_is_gone_is_noticed_within_seconds() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as peer,
        socket.create_connection(peer.getsockname()) as ours,
    ):
        notice_a_dead_peer(ours)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 1
    one, other = socket.socketpair()
    with one, other:
        notice_a_dead_peer(one)  # a unix socket: nothing to set
