"""What deploy/ sets, against what the code reads: no unknown setting, none missing, none too many."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from booking.providers.registry import check_settings
from chassis import settings
from chassis.settings import PARSERS, PREFIX, Settings, SettingsError
from runtime.services import SERVICES
from runtime.starting import SIGNERS, USES
from stampede.cli.main import stampede
from tests.support.deployment import (
    DEPLOY,
    FILLED,
    compose_config,
    composed,
    pods,
    rendered,
)

ROLES = ("gateway", *SERVICES, "worker")
IN_SECRETS = FILLED | {
    "STAMPEDE_DATABASE_URL": "postgresql://stampede:secret@db:5432/stampede",
    "STAMPEDE_REDIS_URL": "redis://:secret@valkey:6379/0",
    "STAMPEDE_NATS_URL": "nats://stampede:secret@nats:4222",
    "STAMPEDE_STRIPE_SECRET_KEY": "sk_test_12345678",
    "STAMPEDE_STRIPE_WEBHOOK_SECRETS": "whsec_12345678",
}


def needed(role: str) -> set[str]:
    """The settings without which a role starts wrong, or alone. The code itself would start servers of its
    own, keep mails in a mailbox, or make a secret that its twins do not have."""
    names = {"public_url", "host", "demo", "log_files", *(f"{one}_url" for one in SERVICES)}
    names |= set(USES.get(role, ("database_url", "redis_url")))
    if role in SIGNERS or role == "worker":
        names |= {"webhook_secret", "payment_provider", "nats_url"}
    if role == "worker":
        names |= {"smtp_url", "mail_from"}
    if role == "gateway":
        names |= {"trusted_proxies"}
    return names


def of_the_image() -> dict[str, str]:
    """The settings in the Dockerfile's ENV."""
    text = (DEPLOY / "Dockerfile").read_text()
    return dict(re.findall(r"\b(STAMPEDE_\w+)=(\S+)", text))


def of_compose(directory: Path) -> dict[str, dict[str, str]]:
    services = composed(compose_config(directory).stdout)
    found = {name: one.get("environment", {}) for name, one in services.items()}
    for environ in found.values():
        environ |= {key: IN_SECRETS[key] for key in environ if key in IN_SECRETS}
    return found


def of_chart(*more: str) -> dict[str, dict[str, str]]:
    return {
        role: {one["name"]: one.get("value") or IN_SECRETS[one["name"]] for one in pod_env(pod)}
        for role, pod in pods(rendered(*more)).items()
    }


def pod_env(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    (container,) = pod["containers"]
    env: list[dict[str, Any]] = container["env"]
    return env


@pytest.fixture(params=["compose", "chart"])
def environments(request: pytest.FixtureRequest, copied: Path) -> dict[str, dict[str, str]]:
    """Each role's settings: those of the image, and over them those of its container."""
    made = of_compose(copied) if request.param == "compose" else of_chart()
    return {role: of_the_image() | environ for role, environ in made.items()}


def test_every_role_loads_its_settings(environments: dict[str, dict[str, str]]) -> None:
    for role, environ in environments.items():
        loaded = settings.load(environ)
        if role in {"booking", "worker"}:
            check_settings(loaded)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_what_it_needs(environments: dict[str, dict[str, str]], role: str) -> None:
    given = {key.removeprefix(PREFIX).lower() for key, text in environments[role].items() if text}
    assert needed(role) <= given


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_no_credential_of_what_it_does_not_use(
    environments: dict[str, dict[str, str]], role: str
) -> None:
    credentials = {"database_url", "redis_url", "nats_url", "webhook_secret"}
    given = {key.removeprefix(PREFIX).lower() for key in environments[role]}
    assert (given & credentials) <= needed(role)
    assert any(key.startswith("stripe_") for key in given) is (role in {"booking", "worker"})


def test_the_migration_has_the_database_and_nothing_else(
    environments: dict[str, dict[str, str]],
) -> None:
    assert set(environments["migrate"]) - set(of_the_image()) == {"STAMPEDE_DATABASE_URL"}


def test_in_containers_there_is_no_demo_and_no_log_file(
    environments: dict[str, dict[str, str]],
) -> None:
    for environ in environments.values():
        loaded = settings.load(environ)
        assert not loaded.demo
        assert loaded.log_dir is None
        assert (loaded.host, loaded.log_format) == ("0.0.0.0", "json")


def test_a_setting_that_does_not_exist_is_found() -> None:
    """The control: what the files set goes through the services' own reading."""
    wrong = of_chart("--set-string", "settings.HOLD_TTL=900")["booking"]
    with pytest.raises(SettingsError, match="STAMPEDE_HOLD_TTL is not a setting"):
        settings.load(wrong)


def test_the_settings_of_the_image_exist() -> None:
    assert of_the_image().keys() <= {PREFIX + name.upper() for name in PARSERS}


def test_the_commands_of_the_containers_exist(copied: Path) -> None:
    services = composed(compose_config(copied).stdout)
    commands = [one["command"] for one in services.values()]
    commands += [pod["containers"][0]["args"] for pod in pods(rendered()).values()]
    assert len(commands) > 12
    for command in commands:
        answer = CliRunner().invoke(stampede, [*command, "--help"])
        assert answer.exit_code == 0, (command, answer.output)
        if command[0] == "serve":
            assert command[1] in ROLES


def test_no_server_of_its_own_is_started_by_a_role_in_a_container(
    environments: dict[str, dict[str, str]],
) -> None:
    """A role without a URL that it needs would start PostgreSQL or Valkey beside itself."""
    for role in ROLES:
        loaded: Settings = settings.load(environments[role])
        for url in USES.get(role, ("database_url", "redis_url")):
            assert getattr(loaded, url) is not None, (role, url)
