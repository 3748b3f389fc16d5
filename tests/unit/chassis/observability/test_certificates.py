"""When the certificates in files expire is a metric, read anew each time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from chassis.observability.certificates import certificate_files, first_expiry, measure_certificates
from chassis.observability.reports import Report
from chassis.settings import SettingsError, load, to_environ
from tests.support.certificates import certificate

NOW = datetime.now(UTC).replace(microsecond=0)


def told(file: Path) -> float | None:
    name = "stampede_certificate_expires_timestamp_seconds"
    return REGISTRY.get_sample_value(name, {"file": str(file)})


async def test_the_first_certificate_of_a_chain_that_expires_counts(tmp_path: Path) -> None:
    file, soon = tmp_path / "tls.pem", NOW + timedelta(days=3)
    file.write_bytes(certificate(NOW + timedelta(days=90)) + certificate(soon))
    assert first_expiry(file) == soon.timestamp()


async def test_a_certificate_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    file, report = tmp_path / "tls.pem", Report()
    for days in (-1, 90):
        file.write_bytes(certificate(NOW + timedelta(days=days)))
        await measure_certificates([str(file)], report)
        assert told(file) == (NOW + timedelta(days=days)).timestamp()
    report.withdraw()


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----"])
async def test_a_file_that_cannot_be_read_counts_as_expired(
    tmp_path: Path, content: bytes | None
) -> None:
    file, good, report = tmp_path / "tls.pem", tmp_path / "good.pem", Report()
    good.write_bytes(certificate(NOW + timedelta(days=1)))
    if content is not None:
        file.write_bytes(content)
    await measure_certificates([str(file), str(good)], report)
    assert told(file) == 0
    assert told(good) == (NOW + timedelta(days=1)).timestamp()
    report.withdraw()


def test_files_that_urls_name_are_watched_beside_those_of_the_setting() -> None:
    mine = load(
        {
            "STAMPEDE_CERTIFICATES": "/etc/tls/edge.pem, /etc/tls/pg.crt",
            "STAMPEDE_DATABASE_URL": "postgresql://u@one,two/d?sslcert=/etc/tls/pg.crt"
            "&sslkey=/etc/tls/pg.key&sslrootcert=/etc/tls/ca%20one.crt",
            "STAMPEDE_REDIS_URL": "rediss://one:6379,two:6379?ssl_ca_certs=/etc/tls/redis.crt",
        }
    )
    assert certificate_files(mine) == [
        "/etc/tls/edge.pem", "/etc/tls/pg.crt", "/etc/tls/ca one.crt", "/etc/tls/redis.crt",
    ]  # fmt: skip
    assert load(to_environ(mine)) == mine
    assert certificate_files(load({})) == []


@pytest.mark.parametrize("wrong", ["tls.pem", "/a,b", ",".join(f"/{n}" for n in range(33))])
def test_certificates_are_a_few_absolute_paths(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"STAMPEDE_CERTIFICATES.*absolute paths"):
        load({"STAMPEDE_CERTIFICATES": wrong})
