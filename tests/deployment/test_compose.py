"""compose.yaml by Docker Compose's own reading: what it refuses, and what it gives each container."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.deployment import DEPLOY, FILLED, compose_config, composed


def test_the_whole_platform_is_read_without_a_word(copied: Path) -> None:
    answer = compose_config(copied)
    assert (answer.returncode, answer.stderr) == (0, "")
    services = set(json.loads(answer.stdout)["services"])
    assert services == {
        *("postgres", "valkey", "nats", "migrate", "tool", "worker"),
        *("gateway", "identity", "catalog", "booking", "notification"),
    }


def test_a_mistake_in_the_file_is_found(copied: Path) -> None:
    """The control of the check itself."""
    file = copied / "compose.yaml"
    file.write_text(file.read_text().replace("stop_grace_period: 60s", "stop_grace_time: 60s"))
    answer = compose_config(copied)
    assert answer.returncode != 0
    assert "services.postgres" in answer.stderr
    assert "stop_grace_time" in answer.stderr


@pytest.mark.parametrize("name", sorted(FILLED))
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_a_secret_that_is_missing_stops_the_start_by_name(
    copied: Path, name: str, how: str
) -> None:
    given = dict(FILLED) | {name: ""}
    if how == "absent":
        del given[name]
    answer = compose_config(copied, given)
    assert answer.returncode != 0
    assert f"required variable {name} is missing" in answer.stderr


def test_the_payment_providers_settings_are_a_file_that_must_be_there(copied: Path) -> None:
    (copied / "payment.env").unlink()
    answer = compose_config(copied)
    assert answer.returncode != 0
    assert "payment.env not found" in answer.stderr


def test_what_the_file_asks_for_is_what_the_example_lists() -> None:
    lines = (DEPLOY / "example.env").read_text().splitlines()
    assigned = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(assigned) == set(FILLED)
    assert set(assigned.values()) == {""}, "an example with a password becomes a default"


def hardened(service: dict[str, Any]) -> bool:
    return bool(
        service.get("read_only")
        and service.get("cap_drop") == ["ALL"]
        and service.get("security_opt") == ["no-new-privileges:true"]
        and "privileged" not in service
        and "user" not in service  # the image's own, which is not root
        and [mount.partition(":")[0] for mount in service.get("tmpfs", [])] == ["/tmp"]
        and not service.get("volumes")
    )


def test_every_container_of_ours_is_read_only_and_without_privileges(copied: Path) -> None:
    services = composed(compose_config(copied).stdout)
    assert len(services) == 8
    assert {name for name, one in services.items() if not hardened(one)} == set()


def test_only_the_gateway_is_reached_from_outside(copied: Path) -> None:
    document = json.loads(compose_config(copied).stdout)
    published = {name for name, one in document["services"].items() if one.get("ports")}
    assert published == {"gateway"}
    assert document["networks"]["inside"]["internal"] is True
    with_a_way_out = {
        name
        for name, one in document["services"].items()
        if set(one["networks"]) - {"inside"} and name != "gateway"
    }
    assert with_a_way_out == {"booking", "worker"}


def test_every_image_of_others_is_pinned_by_version_and_digest() -> None:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    images = [one["image"] for one in document["services"].values() if "build" not in one]
    assert len(images) == 3
    for image in images:
        name, _, digest = image.partition("@")
        assert digest.startswith("sha256:")
        assert name.rpartition(":")[2][0].isdigit()


def test_services_wait_for_the_migration_and_workers_are_two(copied: Path) -> None:
    services = composed(compose_config(copied).stdout)
    assert services["worker"]["deploy"]["replicas"] == 2
    waiting = {
        name
        for name, one in services.items()
        if one.get("depends_on", {}).get("migrate", {}).get("condition")
        == "service_completed_successfully"
    }
    assert waiting == {"identity", "catalog", "booking", "notification", "worker"}
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
