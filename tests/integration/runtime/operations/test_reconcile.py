"""`stampede reconcile` as an operator runs it: with the provider of the settings, and exit codes."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from stampede.cli.main import stampede
from tests.support.sandbox import new_charge, running_sandbox


def words(lines: list[str]) -> str:
    """What stands in the frame of an error, as one line."""
    return " ".join(" ".join(lines).replace("│", " ").split())


@pytest.fixture
async def stray(database_url: str) -> str:
    """The id of a charge that nobody here knows; five minutes old."""
    charge = new_charge(amount=256_000)
    async with running_sandbox(database_url) as sandbox:
        await sandbox.provider.charge(charge)
        await sandbox.execute("UPDATE charges SET created_at = now() - interval '5 minutes'")
    return str(charge.payment_id)


def test_a_stray_charge_is_listed_then_refunded_and_then_nothing_is_left(
    database_url: str, redis_url: str, stray: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAMPEDE_DATABASE_URL", database_url)
    monkeypatch.setenv("STAMPEDE_REDIS_URL", redis_url)

    def run(*arguments: str) -> tuple[int, list[str]]:
        done = CliRunner().invoke(stampede, ["reconcile", *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, done.output.splitlines()

    later = datetime.now(UTC) + timedelta(hours=1)
    code, said = run("--since", f"{later:%FT%TZ}")
    assert (code, "is in the future; it is 20" in words(said)) == (1, True)
    assert run("--since", "4m") == (0, ["0 findings, 0 left"])
    for _ in range(2):  # listing changes nothing
        code, said = run("--since", "10m")
        assert (code, len(said)) == (1, 4)
        assert said[0].startswith("left  charge without order: It will be refunded, since nothing")
        assert "amount=256000 currency=CNY " in said[1]
        assert f"payment_id={stray}" in said[1]
        assert said[2] == "1 findings, 1 left"
    with monkeypatch.context() as patched:
        patched.setenv("STAMPEDE_NOTIFICATION_URL", "http://127.0.0.1:9")
        code, said = run("--since", "4m")
        assert (code, "It stopped after 0 findings" in words(said)) == (1, True)
    code, said = run("--since", "10m", "--apply", "--json")
    (told,) = [json.loads(line) for line in said]
    assert (code, told["kind"], told["left"]) == (0, "charge_without_order", False)
    assert (told["payment_id"], told["amount"]) == (stray, 256_000)
    assert run("--since", "10m", "--apply") == (0, ["0 findings, 0 left"])
