"""Where webhooks may go: nothing that only we can reach, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notification.webhooks.addresses import BadDestination, check_url, is_open
from notification.webhooks.connecting import AddressRefused, Destinations
from notification.webhooks.schedule import ATTEMPTS_MAX, DELAYS_S, delay_s
from notification.webhooks.signing import new_secret, signed_headers
from tests.support.webhooks import look_up

OPEN = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.255.255",
    "172.32.0.0", "192.167.255.255", "198.17.255.255", "223.255.255.255", "2606:4700::1111",
    "2a00:1450:4001:80b::200e", "2400:3200::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
]  # fmt: skip
CLOSED = [
    # private, loopback, this network, carrier-grade NAT
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "127.0.0.1",
    "127.255.255.254", "0.0.0.0", "0.1.2.3", "100.64.0.1", "100.127.255.255",
    # metadata of clouds
    "169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16",
    "fd00:ec2::254",
    # documentation, benchmarks, relays, multicast, reserved, broadcast
    "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "198.19.255.255", "192.88.99.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    # IPv6: unspecified, loopback, link-local (with and without zone), unique local, site-local, multicast
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fdff::1", "fec0::1", "ff02::1", "ff0e::1",
    # IPv4 in IPv6's clothes: mapped, compatible, translated, NAT64 (both), 6to4, Teredo, ISATAP
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::127.0.0.1",
    "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::10.0.0.1",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1", "2001:0:7f00:1::", "2001::1",
    "fe80::5efe:10.0.0.1",
    # documentation, ORCHID, discard, no address at all
    "2001:db8::1", "2001:20::1", "3fff::1", "100::1", "5f00::1", "localhost", "", "1.2.3", "0x7f.1",
]  # fmt: skip


@pytest.mark.parametrize("address", OPEN)
def test_an_address_of_the_internet_is_open(address: str) -> None:
    assert is_open(address)


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_only_we_reach_is_closed(address: str) -> None:
    assert not is_open(address)


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_outside_global_unicast_and_nat64_is_open(address: object) -> None:
    text = str(address)
    if is_open(text):
        first = int(address) >> 96  # type: ignore[call-overload]
        assert first >> 29 == 0b001 or first in {0x0064FF9B, 0}


@given(st.ip_addresses(v=4))
def test_ipv4_is_as_open_mapped_as_it_is_plain(address: object) -> None:
    plain = is_open(str(address))
    assert is_open(f"::ffff:{address}") == is_open(f"64:ff9b::{address}") == plain


@pytest.mark.parametrize(
    "text",
    [
        "https://hooks.example.org/stampede?key=1",
        "https://hooks.example.org",
        "https://hooks.example.org:8443/a/b",
        "https://xn--bcher-kva.example/%E4%BD%A0",
        "https://93.184.216.34/hook",
        "https://[2606:4700::1111]/hook",
    ],
)
def test_a_plain_https_url_is_taken_as_it_is(text: str) -> None:
    assert str(check_url(text, allow_private=False)).rstrip("/") == text


@pytest.mark.parametrize(
    "text",
    [
        "http://hooks.example.org/",
        "ftp://hooks.example.org/",
        "file:///etc/passwd",
        "//hooks.example.org/",
        "https://",
        "https:///x",
        "https://user:secret@hooks.example.org/",
        "https://user@hooks.example.org/",
        "https://@hooks.example.org/",
        "https://good.example.org@127.0.0.1/",
        "https://hooks.example.org#@127.0.0.1/",
        "https://hooks.example.org/#part",
        "https://hooks.example.org\\@127.0.0.1/",
        "https://hooks.example.org:22/",
        "https://hooks.example.org:6379/",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:99999/",
        "https://localhost/",
        "https://redis/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.0.0.1/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/\r\nX-Evil: 1",
        "https://hooks.example.org/\x00",
        "https://bücher.example/",
        "https://１２７.０.０.１/",
        "https://127。0。0。1/",
        "https://hooks.example.org./",
        "https://hooks..example.org/",
        "https://-hooks.example.org/",
        "https://%31%32%37.0.0.1/",
        "https://hooks.example.org/" + "a" * 2000,
    ],
)
def test_any_other_url_is_refused(text: str) -> None:
    with pytest.raises(BadDestination):
        check_url(text, allow_private=False)


def test_development_may_go_anywhere_but_not_by_any_protocol() -> None:
    assert check_url("http://localhost:5000/hook", allow_private=True).port == 5000
    for text in ("ftp://localhost/", "http://user@localhost/", "http://localhost/#x"):
        with pytest.raises(BadDestination):
            check_url(text, allow_private=True)


async def test_one_closed_address_among_open_ones_refuses_the_host() -> None:
    mixed = Destinations(look_up(["93.184.216.34", "10.0.0.1"]), allow_private=False)
    with pytest.raises(AddressRefused):
        await mixed.addresses("hooks.example.org", 443)
    with pytest.raises(BadDestination, match="private or reserved"):
        await mixed.check("https://hooks.example.org/")
    nowhere = Destinations(look_up([]), allow_private=False)
    with pytest.raises(BadDestination, match="cannot be found"):
        await nowhere.check("https://hooks.example.org/")


def test_the_schedule_takes_three_days_and_no_longer() -> None:
    waits = [delay_s(attempt) for attempt in range(1, ATTEMPTS_MAX)]
    for planned, wait in zip(DELAYS_S, waits, strict=True):
        assert wait is not None
        assert 0.9 * planned <= wait <= 1.1 * planned
    assert 70 * 3600 <= sum(DELAYS_S) <= 73 * 3600
    assert delay_s(ATTEMPTS_MAX) is None
    assert delay_s(1, 120.0) == 120.0  # Retry-After
    assert delay_s(1, 1e9) == 3600.0
    assert (delay_s(5, 1.0) or 0) > 6000  # never sooner than planned


def test_secrets_are_long_and_each_its_own() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(one.startswith("whsec_") and len(one) == 50 for one in made)


def test_a_signature_of_the_specification_comes_out_the_same() -> None:
    """The vector that the reference libraries of Standard Webhooks are tested with."""
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
