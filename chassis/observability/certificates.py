"""When certificates expire: those in the files that operators name, and those of connections to PostgreSQL
and Redis whose URLs name files. Nothing else knows their age, since TLS ends in front of us."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from prometheus_client import Gauge

from chassis.observability import logs
from chassis.observability.reports import Report
from chassis.settings import Settings

FILE_MAX_BYTES = 1 << 20  # a bundle of authorities has 200 KB
UNREADABLE = 0.0  # long expired: an alert must not miss a file that is gone
IN_URLS = ("sslcert", "sslrootcert", "ssl_certfile", "ssl_ca_certs")  # asyncpg's, redis-py's

EXPIRES = Gauge(
    "stampede_certificate_expires_timestamp_seconds",
    "When the first certificate in this file expires, in Unix seconds; 0 if it cannot be read.",
    ["file"],
    multiprocess_mode="livemostrecent",
)

log = logs.get("worker")


def certificate_files(settings: Settings) -> list[str]:
    """Named in STAMPEDE_CERTIFICATES, or in a URL of PostgreSQL or Redis. Each once."""
    found = list(settings.certificates)
    urls = (settings.database_url, settings.database_direct_url, settings.audit_database_url)
    for url in (*urls, settings.redis_url):
        options = parse_qs(urlsplit(url or "").query)
        found += [path for name in IN_URLS for path in options.get(name, [])]
    return list(dict.fromkeys(found))


async def measure_certificates(files: Sequence[str], report: Report) -> None:
    """Reads each file anew: certificates are replaced while processes run."""
    report.show(EXPIRES, dict(await asyncio.to_thread(lambda: list(_expiries(files)))))


def _expiries(files: Sequence[str]) -> Iterator[tuple[tuple[str], float]]:
    for file in files:
        try:
            expires_at = first_expiry(Path(file))
        except (OSError, ValueError) as unreadable:
            log.warning("certificate_unreadable", file=file, reason=str(unreadable))
            expires_at = UNREADABLE
        yield (file,), expires_at


def first_expiry(file: Path) -> float:
    """In Unix seconds, of all certificates in a PEM file. Raises OSError, or ValueError if it has none."""
    with file.open("rb") as opened:
        content = opened.read(FILE_MAX_BYTES)
    return min(
        one.not_valid_after_utc.timestamp() for one in x509.load_pem_x509_certificates(content)
    )
