"""Settings: defaults, parsing, and a start that names every wrong key at once."""

import re
from ipaddress import ip_network

import msgspec
import pytest
from asyncpg.connect_utils import SessionAttribute

from chassis.postgres.connecting import wanted_server
from chassis.setting_values import otlp_endpoint
from chassis.settings import PARSERS, Settings, SettingsError, load, to_environ


def test_nats_may_have_several_servers() -> None:
    loaded = load({"STAMPEDE_NATS_URL": "nats://one:4222, tls://two:4222"})
    assert loaded.nats_url == "nats://one:4222,tls://two:4222"
    for wrong in ("http://one", "nats://one,two", "nats://one:port"):
        with pytest.raises(SettingsError, match="NATS_URL"):
            load({"STAMPEDE_NATS_URL": wrong})


@pytest.mark.parametrize(
    "urls",
    [
        "http://booking:8003",
        "http://10.0.0.7:8003,http://[::1]:8003",
        "srv://_booking._tcp.example",
        "srv+https://booking.service.consul.,https://reserve.example",
    ],
)
def test_a_service_may_have_several_addresses_and_srv_names(urls: str) -> None:
    mine = load({"STAMPEDE_BOOKING_URL": urls})
    assert mine.booking_url == urls
    assert load(to_environ(mine)) == mine


@pytest.mark.parametrize(
    ("urls", "why"),
    [
        ("srv://_booking._tcp.example:8003", "without a port"),
        ("srv://_booking._tcp.example/path", "nothing after the name"),
        ("srv://a b", "must be a DNS name"),
        ("srv://", "must be a URL"),
        ("http://one,https://two", "TLS in all"),
        ("dns://booking", "must be a URL beginning with"),
        ("http://one,", "must be a URL"),
        ("http://:8003", "must name a host"),
    ],
)
def test_a_wrong_address_of_a_service_is_refused_in_a_sentence(urls: str, why: str) -> None:
    with pytest.raises(SettingsError, match=f"STAMPEDE_BOOKING_URL.*{why}"):
        load({"STAMPEDE_BOOKING_URL": urls})


def test_dns_servers_are_addresses() -> None:
    loaded = load({"STAMPEDE_DNS_SERVERS": "127.0.0.1:8600, [::1]:53,10.0.0.2"})
    assert loaded.dns_servers == ("127.0.0.1:8600", "[::1]:53", "10.0.0.2")
    for wrong in ("consul.example", "127.0.0.1:dns", "300.0.0.1"):
        with pytest.raises(SettingsError, match="DNS_SERVERS must be IP addresses"):
            load({"STAMPEDE_DNS_SERVERS": wrong})


def test_draining_takes_seconds_and_may_take_none() -> None:
    assert load({}).drain_s is None
    for text, seconds in (("0", 0.0), ("6", 6.0), ("2.5", 2.5)):
        mine = load({"STAMPEDE_DRAIN_S": text})
        assert mine.drain_s == seconds
        assert load(to_environ(mine)) == mine
    for wrong in ("-1", "301", "nan", "soon"):
        with pytest.raises(SettingsError, match="DRAIN_S must be a number of seconds"):
            load({"STAMPEDE_DRAIN_S": wrong})


def test_a_direct_url_is_for_a_pooler_alone() -> None:
    pooler, direct = "postgresql://pooler/stampede", "postgresql://db/stampede"
    loaded = load({"STAMPEDE_DATABASE_URL": pooler, "STAMPEDE_DATABASE_DIRECT_URL": direct})
    assert (loaded.database_url, loaded.direct_url) == (pooler, direct)
    assert load({"STAMPEDE_DATABASE_URL": direct}).direct_url == direct
    with pytest.raises(SettingsError, match="DATABASE_DIRECT_URL means nothing without"):
        load({"STAMPEDE_DATABASE_DIRECT_URL": direct})


def test_the_door_has_hours() -> None:
    loaded = load({"STAMPEDE_DOOR_OPENS_BEFORE_S": "0", "STAMPEDE_DOOR_CLOSES_AFTER_S": "86400"})
    assert (loaded.door_opens_before_s, loaded.door_closes_after_s) == (0, 86_400)
    for wrong in ("DOOR_OPENS_BEFORE_S", "DOOR_CLOSES_AFTER_S"):
        with pytest.raises(SettingsError, match=wrong):
            load({f"STAMPEDE_{wrong}": "700000"})
    with pytest.raises(SettingsError, match="DOOR_CLOSES_AFTER_S"):  # never open
        load({"STAMPEDE_DOOR_CLOSES_AFTER_S": "0"})


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load({}) == Settings()


def test_other_programs_variables_are_not_ours() -> None:
    assert load({"PATH": "/bin", "DATABASE_URL": "x"}) == Settings()


def test_every_wrong_and_every_unknown_key_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        load(
            {
                "STAMPEDE_PORT": "eighty",
                "STAMPEDE_HOLD_TTL_S": "-1",
                "STAMPEDE_TRUSTED_PROXIES": "10.0.0.0/8,nonsense",
                "STAMPEDE_LOG_FORMAT": "xml",
                "STAMPEDE_RATE_LIMT_PER_IP": "10/s",
                "STAMPEDE_DATABASE_URL": "mysql://x",
            }
        )
    text = str(caught.value)
    for key in ("PORT", "HOLD_TTL_S", "TRUSTED_PROXIES", "LOG_FORMAT", "RATE_LIMT_PER_IP"):
        assert f"STAMPEDE_{key} " in text
    assert "STAMPEDE_DATABASE_URL must be a URL beginning with postgresql://" in text
    assert len(caught.value.problems) == 6


@pytest.mark.parametrize(
    ("text", "rate"), [("10", 10.0), ("10/s", 10.0), ("30/m", 0.5), ("3600/h", 1.0), ("0.5", 0.5)]
)
def test_rates_read_as_written(text: str, rate: float) -> None:
    assert load({"STAMPEDE_RATE_LIMIT_PER_IP": text}).rate_limit_per_ip == rate


@pytest.mark.parametrize("text", ["0", "-1", "ten", "10/d", "nan", "inf"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        load({"STAMPEDE_RATE_LIMIT_PER_IP": text})


def test_every_field_has_a_parser_and_every_parser_a_field() -> None:
    fields = {field.name for field in msgspec.structs.fields(Settings)}
    assert fields - {"provider_options"} == set(PARSERS)


def test_a_child_process_loads_the_same_settings() -> None:
    mine = load(
        {
            "STAMPEDE_PORT": "9000",
            "STAMPEDE_TRUSTED_PROXIES": "10.0.0.0/8, ::1/128",
            "STAMPEDE_DEMO": "no",
            "STAMPEDE_WEBHOOK_SECRET": "whsec_a,whsec_b",
            "STAMPEDE_DATABASE_URL": "postgresql://postgres@/stampede?host=/tmp/a%20b",
            "STAMPEDE_RATE_LIMIT_LOGIN": "30/m",
        }
    )
    assert mine.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert load(to_environ(mine)) == mine


def test_the_providers_own_settings_are_handed_on_unread() -> None:
    mine = load({"STAMPEDE_SANDBOX_DELAY_S": " 2.5 ", "STAMPEDE_SANDBOX_URL": ""})
    assert mine.provider_options == {"delay_s": "2.5"}
    assert load(to_environ(mine)) == mine
    stripe = load({"STAMPEDE_PAYMENT_PROVIDER": "stripe", "STAMPEDE_STRIPE_SECRET_KEY": "sk_x"})
    assert stripe.provider_options == {"secret_key": "sk_x"}
    assert load(to_environ(stripe)) == stripe
    with pytest.raises(SettingsError, match="STAMPEDE_STRIPE_SECRET_KEY is not a setting"):
        load({"STAMPEDE_STRIPE_SECRET_KEY": "sk_x"})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://a:1,b:2/db?target_session_attrs=primary",
        "postgres://user:p%40ss%2Cword@a,b:5433/db",
        "postgresql://[::1]:5432,[fe80::1]/db",
        "postgresql:///db?host=/tmp/one,/tmp/two&port=5432,5433",
        "postgresql://postgres@/stampede?host=/tmp/a%20b",
        "postgresql://%2Ftmp%2Fone/db",
    ],
)
def test_a_database_may_have_several_servers_as_libpq_writes_them(url: str) -> None:
    mine = load({"STAMPEDE_DATABASE_URL": url})
    assert mine.database_url == url
    assert load(to_environ(mine)) == mine


@pytest.mark.parametrize(
    "wrong", ["postgresql://", "postgresql://a:b,c/db", "postgresql://a,,b/db", "http://a/db", "a,b",
              "postgresql://u:secret#x@a/db"]
)  # fmt: skip
def test_what_names_no_servers_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({"STAMPEDE_DATABASE_URL": wrong})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://a/db", SessionAttribute.read_write),
        ("postgresql://user:a%2Cb@a/db", SessionAttribute.read_write),
        ("postgresql://a/db?target_session_attrs=any", None),
        ("postgresql://a,b/db", SessionAttribute.read_write),
        ("postgresql:///db?host=/tmp/one,/tmp/two", SessionAttribute.read_write),
        ("postgresql://a,b/db?target_session_attrs=any", None),
    ],
)
def test_a_server_that_takes_writes_is_wanted_unless_the_url_says_otherwise(
    url: str, wanted: SessionAttribute | None
) -> None:
    assert wanted_server(url) == wanted


@pytest.mark.parametrize(
    ("key", "wrong", "why"),
    [
        ("ENDPOINT", "collector:4318", "must be a base URL such as"),
        ("ENDPOINT", "ftp://collector", "must be a base URL such as"),
        ("ENDPOINT", "http://collector:port", "is not a URL"),
        ("ENDPOINT", "http://", "must be a base URL"),
        ("ENDPOINT", "http:///v1", "must be a base URL"),
        ("ENDPOINT", "http://collector:4318/?x=1", "must be a base URL"),
        ("ENDPOINT", "http://collector:4318/v1/traces", "must be the base URL"),
        ("ENDPOINT", "https://me:secret@collector", "must have no password"),
        ("SAMPLE", "1.1", "must be a share from 0 to 1"),
        ("SAMPLE", "-0.1", "must be a share from 0 to 1"),
        ("SAMPLE", "1%", "must be a share from 0 to 1"),
        ("SAMPLE", "nan", "must be a share from 0 to 1"),
        ("METRICS_INTERVAL_S", "1.5", "must be a whole number"),
    ],
)
def test_where_telemetry_goes_is_a_base_url_and_how_much_a_share(
    key: str, wrong: str, why: str
) -> None:
    with pytest.raises(SettingsError, match=f"STAMPEDE_OTLP_{key} {re.escape(why)}") as refused:
        load({f"STAMPEDE_OTLP_{key}": wrong})
    assert "secret" not in str(refused.value)


def test_telemetry_is_off_and_samples_one_in_a_hundred() -> None:
    assert (load({}).otlp_endpoint, load({}).otlp_sample) == (None, 0.01)
    loaded = load({"STAMPEDE_OTLP_ENDPOINT": "https://c:4318/otlp", "STAMPEDE_OTLP_SAMPLE": "0"})
    assert (loaded.otlp_endpoint, loaded.otlp_sample) == ("https://c:4318/otlp", 0.0)
    assert load(to_environ(loaded)) == loaded


def test_telemetry_without_its_packages_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"needs OpenTelemetry: install stampede\[otlp\]"):
        otlp_endpoint("http://collector:4318", package="no-such-package-of-opentelemetry")
