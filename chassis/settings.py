"""The only reader of the environment. A key is STAMPEDE_<FIELD>; an error names all wrong keys at once."""

import os
import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from chassis.languages import HOME, LANGUAGES
from chassis.setting_values import dns_servers, otlp_endpoint, share

PREFIX = "STAMPEDE_"
METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"
OURS_BETWEEN_PROCESSES = {"STAMPEDE_PARENT_FD"}  # set by the supervisor for its children

Network = IPv4Network | IPv6Network


class SettingsError(Exception):
    """The environment is wrong. `problems` has one sentence a key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("Wrong settings: " + " ".join(problems))
        self.problems = problems


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an operator may set, with its default. Units are the last word of a name."""

    database_url: str | None = None  # absent: embedded PostgreSQL in data_dir
    # Around a pooler that database_url leads to: for leaders, locks and migrations.
    database_direct_url: str | None = None
    redis_url: str | None = None  # absent: embedded Valkey in data_dir
    nats_url: str | None = None  # absent: in-memory broker
    data_dir: Path = Path(".stampede")
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2  # web processes; in a cluster, processes of each service
    topology: str = "single"  # of `stampede up`
    balancer: str = "auto"  # of a cluster: before its gateways; auto: HAProxy where it is installed
    promoter: str = "auto"  # of a cluster's PostgreSQL; auto: Patroni where it is installed
    public_url: str = ""  # where clients reach the gateway; the beginning of links in mails
    default_language: str = HOME  # where neither a reader nor their browser names one of ours
    demo: bool = True  # demo data, and /dev/mailbox
    log_format: str = "text"
    log_files: bool = True  # beside the console; false where something else collects the console
    log_files_max_mb: int = 400  # of one service on one machine, with its older files
    slow_request_ms: int = (
        1_000  # a request that takes longer is logged with where its time went; 0: none
    )
    otlp_endpoint: str | None = None  # traces and metrics go there; absent: nowhere
    otlp_sample: float = 0.01  # share of requests that are traced, beside failed and slow ones
    otlp_metrics_interval_s: int = 30  # between two sets of metrics to the endpoint; 0: none
    trusted_proxies: tuple[Network, ...] = ()
    cors_origins: tuple[str, ...] = ()
    rate_limit_per_ip: float = 10.0  # requests a second
    rate_limit_per_ip_burst: int = 40
    rate_limit_per_user: float = 10.0
    rate_limit_per_user_burst: int = 40
    rate_limit_login: float = 1.0  # logins and registrations a second from one address
    rate_limit_login_burst: int = 20
    promo_misses_per_address: int = 50  # in ten minutes; a user has ten
    concurrency_max: int = 256  # requests under way in one web process
    queue_max: int = 512  # requests waiting for one of those places
    unread_timeout_s: int = 10  # a client that reads nothing for so long is disconnected
    unread_answers_per_ip: int = 32  # long responses to one address that it has not read to the end
    unread_bytes_per_ip: int = 67_108_864  # unread bytes of all of them
    hold_ttl_s: int = 900
    door_opens_before_s: int = 14_400  # before a session's start, for scans that name no session
    door_closes_after_s: int = 21_600  # after the start
    require_idempotency_key: bool = False
    access_token_ttl_s: int = 900
    # Of other services: one or several addresses, names or SRV names (chassis.seam.addresses).
    identity_url: str | None = None
    catalog_url: str | None = None
    booking_url: str | None = None
    notification_url: str | None = None
    dns_servers: tuple[str, ...] = ()  # for SRV names; absent: those of the system
    drain_s: float | None = None  # between a process's notice that it ends, and its end
    database_pool_size: int = 8  # connections of one service in one process
    smtp_url: str | None = None  # absent: the local mailbox
    mail_from: str = "Stampede <tickets@stampede.example>"
    audit_interval_s: int = 900  # of the worker's audit; 0: none
    audit_database_url: str | None = None  # where it reads; absent: database_url
    worker_port: int | None = (
        None  # where `stampede worker` serves /metrics and /healthz; absent: nowhere
    )
    event_archive_days: int = 30  # how far back `stampede replay` can go; 0: no archive
    payment_provider: str = "sandbox"
    provider_options: dict[str, str] = {}  # STAMPEDE_<PAYMENT_PROVIDER>_…: the provider reads them
    # Organizers' webhooks to any address, plain HTTP too: for development.
    webhook_allow_private: bool = False
    webhook_secret: tuple[str, ...] = ()  # absent: one made for this data_dir; several: rotation

    @property
    def log_dir(self) -> Path | None:
        """Where each service appends to its log file. None: only to the console."""
        return self.data_dir / "logs" if self.log_files else None

    @property
    def direct_url(self) -> str:
        """PostgreSQL without a pooler between. Empty until the embedded server's URL is known."""
        return self.database_direct_url or self.database_url or ""

    @property
    def base_url(self) -> str:
        """The public address without a trailing slash."""
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment. Raises SettingsError naming every wrong and every unknown key."""
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    options: dict[str, str] = {}
    problems: list[str] = []
    own = environ.get(f"{PREFIX}PAYMENT_PROVIDER", "").strip() or Settings().payment_provider
    for key, text in sorted(environ.items()):
        if not key.startswith(PREFIX) or key in OURS_BETWEEN_PROCESSES:
            continue
        name = key.removeprefix(PREFIX).lower()
        parse = PARSERS.get(name)
        if parse is None and name.startswith(f"{own}_"):
            if text.strip():
                options[name.removeprefix(f"{own}_")] = text.strip()
            continue
        if parse is None:
            problems.append(f"{key} is not a setting of Stampede.")
            continue
        if text.strip() == "":
            continue
        try:
            values[name] = parse(text.strip())
        except ValueError as wrong:
            problems.append(f"{key} {wrong}.")
    if "database_direct_url" in values and "database_url" not in values:
        problems.append(f"{PREFIX}DATABASE_DIRECT_URL means nothing without {PREFIX}DATABASE_URL.")
    if problems:
        raise SettingsError(problems)
    return Settings(**values, provider_options=options)


def to_environ(settings: Settings) -> dict[str, str]:
    """The environment that makes a child process load the same settings."""
    environ: dict[str, str] = {}
    for field in msgspec.structs.fields(Settings):
        value = getattr(settings, field.name)
        if isinstance(value, dict):
            own = f"{PREFIX}{settings.payment_provider}_".upper()
            environ |= {own + name.upper(): text for name, text in value.items()}
            continue
        if value is None or value in (field.default, ()):
            continue
        if isinstance(value, tuple):
            value = ",".join(str(part) for part in value)
        environ[PREFIX + field.name.upper()] = str(value)
    return environ


def metrics_dir() -> Path | None:
    """Where the processes of one server count together (chassis.observability.exposition). Its name is
    prometheus_client's own, and the supervisor sets it for its children."""
    directory = os.environ.get(METRICS_DIR)
    return Path(directory) if directory else None


def inherited_environ() -> dict[str, str]:
    """What a child process gets of this one's environment: everything but our own keys."""
    return {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def _rate(text: str) -> float:
    number, _, unit = text.partition("/")
    seconds = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}.get(unit)
    try:
        rate = float(number)
    except ValueError:
        rate = 0.0
    if seconds is None or not 0 < rate < 1e9:
        raise ValueError("must be a rate such as 10/s or 30/m")
    return rate / seconds


def _flag(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False}
    if text.lower() not in known:
        raise ValueError("must be true or false")
    return known[text.lower()]


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.scheme not in schemes or not (parts.netloc or parts.path or parts.query):
            raise ValueError(
                f"must be a URL beginning with {' or '.join(s + '://' for s in schemes)}"
            )
        return text

    return parse


def _postgres_url(text: str) -> str:
    """libpq's form: several servers with commas between, IPv6 in brackets, sockets' folders as `host`.

    What it says beside that is for asyncpg to judge.
    """
    scheme, separator, rest = text.partition("://")
    if scheme not in {"postgresql", "postgres"} or not separator or not rest:
        raise ValueError("must be a URL beginning with postgresql:// or postgres://")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is not a URL") from None
    servers = parts.netloc.rpartition("@")[2]
    if servers and not all(map(_SERVER.fullmatch, servers.split(","))):
        raise ValueError("must name its servers as host:port, with commas between several")
    if parts.fragment:
        raise ValueError("has a #: percent-encode it in a password (%23)")
    return text


def _redis_url(text: str) -> str:
    """One server, a cluster's nodes with commas between, or sentinels (chassis.redis.servers)."""
    scheme, separator, rest = text.partition("://")
    if scheme not in _REDIS_SCHEMES or not separator or not rest:
        names = ", ".join(f"{name}://" for name in _REDIS_SCHEMES)
        raise ValueError(f"must be a URL beginning with one of {names}")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is not a URL") from None
    servers = parts.netloc.rpartition("@")[2]
    if servers and scheme != "unix" and not all(map(_SERVER.fullmatch, servers.split(","))):
        raise ValueError("must name its servers as host:port, with commas between several")
    if scheme.startswith("sentinel") and not (servers and parts.path.strip("/")):
        raise ValueError("must name the sentinels' primary: sentinel://host:port/name")
    return text


def _urls(*schemes: str) -> Callable[[str], str]:
    """One or several with commas between, kept as they are."""
    parse_one = _url(*schemes)

    def parse(text: str) -> str:
        return ",".join(parse_one(part.strip()) for part in text.split(","))

    return parse


def _service_urls(text: str) -> str:
    """Addresses, names and SRV names of one service, with commas between."""
    secure = set()
    for url in (part.strip() for part in text.split(",")):
        scheme = _SERVICE(url).partition("://")[0]
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError("must name a host in each URL")
        if scheme.startswith("srv"):
            if not _DNS_NAME.fullmatch(parts.netloc):
                raise ValueError(f"must be a DNS name after {scheme}://, without a port")
            if parts.path.strip("/") or parts.query or parts.fragment:
                raise ValueError(f"must have nothing after the name in {scheme}://")
        secure.add(scheme in {"https", "srv+https"})
    if len(secure) > 1:
        raise ValueError("must have TLS in all of its URLs or in none")
    return ",".join(part.strip() for part in text.split(","))


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not least <= seconds <= most:
            raise ValueError(f"must be a number of seconds from {least:g} to {most:g}")
        return seconds

    return parse


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip(), strict=False) for part in text.split(","))
    except ValueError:
        raise ValueError("must be CIDRs separated by commas, such as 10.0.0.0/8") from None


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_HTTP = _url("http", "https")
_SERVICE = _url("http", "https", "srv", "srv+https")
_DNS_NAME = re.compile(
    r"(?=.{1,253}$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})\.)*[A-Za-z0-9_-]{1,63}\.?"
)
_REDIS_SCHEMES = ("redis", "rediss", "unix", "sentinel", "sentinels")
_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s\[\]:,/?#@]+)(?::[0-9]{1,5})?")
PARSERS: dict[str, Callable[[str], Any]] = {
    "database_url": _postgres_url,
    "database_direct_url": _postgres_url,
    "redis_url": _redis_url,
    "nats_url": _urls("nats", "tls"),
    "data_dir": Path,
    "host": str,
    "port": _whole(1, 65535),
    "workers": _whole(1, 64),
    "topology": _one_of("single", "cluster"),
    "balancer": _one_of("auto", "haproxy", "none"),
    "promoter": _one_of("auto", "patroni", "none"),
    "public_url": _HTTP,
    "default_language": _one_of(*LANGUAGES),
    "demo": _flag,
    "log_format": _one_of("text", "json", "otel"),
    "log_files": _flag,
    "log_files_max_mb": _whole(8, 1_000_000),
    "slow_request_ms": _whole(0, 3_600_000),
    "otlp_endpoint": otlp_endpoint,
    "otlp_sample": share,
    "otlp_metrics_interval_s": _whole(0, 3_600),
    "trusted_proxies": _networks,
    "cors_origins": _words,
    "rate_limit_per_ip": _rate,
    "rate_limit_per_ip_burst": _whole(1, 1_000_000),
    "rate_limit_per_user": _rate,
    "rate_limit_per_user_burst": _whole(1, 1_000_000),
    "rate_limit_login": _rate,
    "rate_limit_login_burst": _whole(1, 1_000_000),
    "promo_misses_per_address": _whole(10, 1_000_000),
    "concurrency_max": _whole(1, 100_000),
    "queue_max": _whole(0, 1_000_000),
    "unread_timeout_s": _whole(1, 600),
    "unread_answers_per_ip": _whole(1, 100_000),
    "unread_bytes_per_ip": _whole(65_536, 1 << 40),
    "hold_ttl_s": _whole(1, 86_400),
    "door_opens_before_s": _whole(0, 604_800),
    "door_closes_after_s": _whole(60, 604_800),
    "require_idempotency_key": _flag,
    "access_token_ttl_s": _whole(1, 86_400),
    "identity_url": _service_urls,
    "catalog_url": _service_urls,
    "booking_url": _service_urls,
    "notification_url": _service_urls,
    "dns_servers": dns_servers,
    "drain_s": _seconds(0, 300),
    "database_pool_size": _whole(1, 100),
    "smtp_url": _url("smtp", "smtps"),
    "mail_from": str,
    "payment_provider": str,  # a module of booking.providers; its registry says which there are
    "audit_interval_s": _whole(0, 604_800),
    "audit_database_url": _postgres_url,
    "worker_port": _whole(1, 65535),
    "event_archive_days": _whole(0, 30),  # chassis.events.archive.DAYS_MAX
    "webhook_allow_private": _flag,
    "webhook_secret": _words,
}
