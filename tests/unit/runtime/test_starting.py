"""What a start makes for its installation."""

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from click.testing import CliRunner

from chassis.settings import Settings
from loadtest.plan import Plan
from runtime.starting import warnings, where_to_look, with_webhook_secret
from stampede.cli import measuring as cli_measuring
from tests.support.servers import ROOT

HEAVY = ("aiohttp", "litestar", "redis", "nats", "structlog", "booking", "gateway", "identity")


@pytest.mark.parametrize("starter", ["runtime.starting", "runtime.serving"])
def test_who_only_starts_processes_does_not_load_what_they_do(starter: str) -> None:
    """It takes a second of CPU and 40 MB for each service."""
    asked = f"import sys, {starter}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_each_installation_has_a_webhook_secret_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    here = Settings(data_dir=tmp_path / "a b")
    there = Settings(data_dir=tmp_path / "c")
    first = with_webhook_secret(here).webhook_secret
    assert with_webhook_secret(here).webhook_secret == first
    assert with_webhook_secret(there).webhook_secret != first
    assert first[0].startswith("whsec_")
    assert stat.S_IMODE((tmp_path / "a b" / "webhook-secret").stat().st_mode) == 0o600


def test_a_secret_that_was_given_is_the_one(tmp_path: Path) -> None:
    given = msgspec.structs.replace(Settings(data_dir=tmp_path), webhook_secret=("whsec_x",))
    assert with_webhook_secret(given).webhook_secret == ("whsec_x",)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("in_path", "called"), [(False, ".venv/bin/stampede trace ID"), (True, ": stampede trace ID")]
)
def test_a_newcomer_is_told_a_command_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_path: bool, called: str
) -> None:
    made = tmp_path / ".venv" / "bin" / "stampede"
    made.parent.mkdir(parents=True)
    made.write_text("#!/bin/sh\n")
    made.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(made.with_name("python")))
    monkeypatch.setenv("PATH", str(made.parent) if in_path else "/nowhere")
    told = where_to_look(Settings(data_dir=tmp_path), None)
    assert any(line.endswith(called) for line in told)


def test_who_prepares_a_crowd_is_told_a_locust_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / ".venv" / "bin" / "locust"
    made.parent.mkdir(parents=True)
    made.write_text("#!/bin/sh\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(made.with_name("python")))
    monkeypatch.setenv("PATH", "/nowhere")
    prepared = Plan(
        base_url="http://localhost:8000",
        session_id=uuid4(),
        area_id=uuid4(),
        tickets=1,
        tickets_per_buyer_max=1,
        opens_at=0.0,
        tokens=[],
    )
    monkeypatch.setattr(cli_measuring, "with_servers", lambda loaded, use: prepared)
    told = CliRunner().invoke(cli_measuring.loadtest_prepare, ["--plan", "plan.json"])
    assert told.output == ".venv/bin/locust -f loadtest/locustfile.py --plan plan.json\n"


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"public_url": "https://tickets.example"}, True),
        ({"host": "0.0.0.0", "demo": False}, False),
    ],
    ids=str,
)
def test_a_demo_that_others_reach_says_what_it_gives_away(
    settings: dict[str, Any], *, warned: bool
) -> None:
    assert bool(warnings(Settings(**settings), [])) is warned


def test_accounts_that_a_demo_left_are_named() -> None:
    said = "\n".join(warnings(Settings(demo=False), ["admin@demo.example"]))
    assert "WARNING" in said
    assert "admin@demo.example" in said
