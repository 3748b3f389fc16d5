"""The gateway's parts that need no store: addresses, paths, buckets, places."""

import asyncio
from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.problems import Overloaded
from gateway.http.static import matches
from gateway.protection.addresses import Addresses, plain_address
from gateway.protection.admission import PAY, Admission, StreamPlaces
from gateway.protection.limits import Policy, Standing, refusal
from gateway.routing import ROUTES, Routes, judge

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3,10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [","], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:DB8:0::1"], "2001:db8::1"),
        ("10.0.0.1", [", ".join(["10.0.0.2"] * 500)], "10.0.0.2"),
        ("", [], "unknown"),
        ("unix:", ["198.51.100.1"], "unknown"),
    ],
)
def test_the_address_is_read_from_the_right_through_trusted_proxies_only(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert Addresses(TRUSTED).of(peer, [line.encode() for line in forwarded]) == client


@given(st.text(max_size=40), st.lists(st.binary(max_size=60), max_size=4))
def test_no_header_breaks_the_reading_of_addresses(peer: str, forwarded: list[bytes]) -> None:
    addresses = Addresses(TRUSTED)
    for one in (peer, "10.0.0.1"):
        assert addresses.key(addresses.of(one, forwarded))


@given(
    st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number)))
    | st.from_regex(r"\A[0-9٣ .x\x00]{1,16}\Z")
)
def test_an_ipv4_address_is_read_and_trusted_as_ipaddress_does(text: str) -> None:
    try:
        expected = ip_address(text)
    except ValueError:
        assert plain_address(text) is None
        return
    assert plain_address(text) == str(expected)
    trusted = any(expected in network for network in TRUSTED if network.version == 4)
    client = Addresses(TRUSTED).of(text, [b"198.51.100.1"])
    assert client == ("198.51.100.1" if trusted else text)


@pytest.mark.parametrize(
    "text", ["010.0.0.1", "10.0.1", "10.0.0.1 ", "10.0.0.1\0", "1.1.1.256", "٣.1.1.1"]
)
def test_an_ipv4_address_in_another_spelling_is_none(text: str) -> None:
    assert plain_address(text) is None


def test_long_text_in_place_of_an_address_is_not_remembered() -> None:
    addresses = Addresses(TRUSTED)
    addresses.of("10.0.0.1", [])
    history_entry = plain_address.cache_info().currsize
    assert addresses.of("10.0.0.1", [b"x" * 8000]) == "10.0.0.1"
    assert plain_address.cache_info().currsize == history_entry


def test_limits_count_an_ipv6_network_as_one() -> None:
    key = Addresses(()).key
    assert key("2001:db8:1:2:3:4:5:6") == key("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert key("2001:db8:1:3::") != key("2001:db8:1:2::")
    assert key("203.0.113.7") == "203.0.113.7"


@given(st.binary(max_size=60).map(lambda tail: b"/api/v1/shows/" + tail))
def test_aplain_address_path_is_forwarded_as_it_came_but_for_a_slash_at_its_end(raw: bytes) -> None:
    path = judge(raw)
    if path is not None:
        assert raw.rstrip(b"/") == path.encode("ascii")
        assert "//" not in path
        assert "%" not in path
        assert not {".", "..", ""} & set(path[1:].split("/"))


def test_every_route_of_the_table_matches_itself_and_only_itself() -> None:
    routes = Routes(demo=True)
    for route in ROUTES:
        path = "/".join(
            "0189-x" if segment.startswith("{") else segment
            for segment in route.template.split("/")
        )
        assert routes.match(path) is route
        below = routes.match(f"{path}/more/more/more/more")
        assert below is None or below.template.endswith("/*")
    for nowhere in ("/", "/api", "/api/v1", "/api/v1/", "/orders", "/internal/events", "/dev"):
        assert routes.match(nowhere) is None


def test_a_word_in_a_parameters_place_is_no_other_route() -> None:
    """`/shows/pay` is a show named pay, and `/orders/x/seats` no booking of seats."""
    routes = Routes(demo=True)
    for path in ("/api/v1/shows/pay", "/api/v1/orders/x/seats", "/api/v1/sessions/seats/seats"):
        route = routes.match(path)
        assert route is not None
        assert route.template.endswith("/*")
        assert (route.lane, route.limit) == ("general", "ip")


def test_a_429_says_when_in_whole_seconds_and_never_at_once() -> None:
    policy = Policy("ip", 10.0, 40)
    for again_in_ms, retry_after in ((1, "1"), (1000, "1"), (1001, "2"), (9_999, "10")):
        problem = refusal(Standing(policy, 0, 4000, again_in_ms))
        assert problem.headers["Retry-After"] == retry_after


async def test_places_and_queue_are_bounded_and_given_on_in_order() -> None:
    admission = Admission(2, 2, wait_s=60)
    await admission.enter("catalog")
    order: list[int] = []

    async def come(number: int) -> None:
        await admission.enter("catalog")
        order.append(number)

    waiting = [asyncio.create_task(come(n)) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await admission.enter("catalog")
    await admission.enter(PAY)  # its own place
    for _ in range(2):
        admission.leave("catalog")
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == [0, 1]


async def test_one_who_stops_waiting_neither_keeps_nor_loses_a_place() -> None:
    admission = Admission(1, 5, wait_s=60)
    await admission.enter("catalog")
    waiting = [asyncio.create_task(admission.enter("catalog")) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # while it waits
    admission.leave("catalog")  # gives the place to the next ...
    waiting[1].cancel()  # ... which is cancelled in the same turn
    await asyncio.wait(waiting[:2])
    async with asyncio.timeout(5):
        await waiting[2]
    admission.leave("catalog")
    async with asyncio.timeout(5):
        await admission.enter("catalog")


async def test_payment_is_served_before_those_who_waited_longer() -> None:
    admission = Admission(2, 8, wait_s=60)
    await admission.enter("catalog")
    await admission.enter(PAY)
    order: list[str] = []

    async def come(lane: str) -> None:
        await admission.enter(lane)
        order.append(lane)
        admission.leave(lane)

    waiting = [asyncio.create_task(come(lane)) for lane in ("catalog", "booking", PAY)]
    await asyncio.sleep(0)
    admission.leave("catalog")
    await asyncio.gather(*waiting)
    assert order[0] == PAY


def test_event_streams_are_bounded_in_all_and_for_one_address() -> None:
    places = StreamPlaces(3, per_address=2)
    with places.place("a"), places.place("a"):
        with pytest.raises(Overloaded), places.place("a"):
            pass
        with places.place("b"), pytest.raises(Overloaded), places.place("c"):
            pass
    with places.place("a"), places.place("a"):
        pass


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        (b'"x"', True),
        (b'W/"x"', True),
        (b'"a", "x"', True),
        (b"*", True),
        (b'"y"', False),
        (b"x", False),
    ],
)
def test_etags_are_compared_weakly(header: bytes | None, expected: bool) -> None:
    assert matches(header, b'"x"') is expected
