"""The Dockerfile by a linter, and its health check by its own parts."""

import re
import shutil
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import util
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest

from runtime.services import PORTS
from tests.support.deployment import DEPLOY, ROOT, hadolint, run

DOCKERFILE = DEPLOY / "Dockerfile"


def test_the_linter_has_nothing_to_say() -> None:
    answer = run(hadolint(), "--failure-threshold", "style", DOCKERFILE)
    assert (answer.returncode, answer.stdout) == (0, "")


def test_a_mistake_in_the_file_is_found(tmp_path: Path) -> None:
    """The control of the check itself."""
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(
        re.sub(r"ARG BASE=python:\S+", "ARG BASE=python", DOCKERFILE.read_text()).replace(
            "USER 65532:65532", "USER root"
        )
        + "\nRUN apt-get install curl\n"
    )
    answer = run(hadolint(), wrong)
    assert answer.returncode != 0
    assert {"DL3002", "DL3008"} <= set(re.findall(r"DL\d+", answer.stdout)), answer.stdout


def test_the_image_runs_without_root_from_a_base_that_is_pinned() -> None:
    text = DOCKERFILE.read_text()
    base = re.search(r"^ARG BASE=(\S+)", text, re.MULTILINE)
    assert base is not None
    assert re.fullmatch(r"python:3\.\d+\.\d+-\S+@sha256:[0-9a-f]{64}", base[1])
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE}", "${BASE}"]
    (user,) = re.findall(r"^USER (\S+)", text, re.MULTILINE)
    assert user == "65532:65532"
    assert "HEALTHCHECK" in text


def test_the_build_sees_every_room_and_nothing_secret() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines, "everything is out unless it is named"
    named = {line[1:] for line in lines if line.startswith("!")}
    house = (ROOT / "pyproject.toml").read_text()
    rooms = set(re.findall(r'"(\w+)\*"', house.partition("packages = ")[2].partition("\n")[0]))
    assert rooms <= named
    assert all((ROOT / one).exists() for one in named)
    assert not {one for one in named if one.startswith(("tests", "docs", "deploy/.env"))}


@pytest.fixture(scope="module")
def healthcheck() -> ModuleType:
    spec = util.spec_from_file_location("healthcheck", DEPLOY / "healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_health_check_knows_every_port(healthcheck: ModuleType) -> None:
    assert healthcheck.PORTS == PORTS


class Answering(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("status", "alive"), [(200, True), (503, False)])
def test_a_service_is_alive_while_its_probe_answers(
    healthcheck: ModuleType, monkeypatch: pytest.MonkeyPatch, status: int, *, alive: bool
) -> None:
    server = HTTPServer(("127.0.0.1", 0), type("Probe", (Answering,), {"status": status}))
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("STAMPEDE_PORT", str(server.server_port))
    command = ["/sbin/docker-init", "--", "stampede", "serve", "booking", ""]
    try:
        assert healthcheck.is_alive(command) is alive
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert not healthcheck.is_alive(command), "nobody listens any more"


def test_a_worker_is_alive_while_its_process_is_there(
    healthcheck: ModuleType, tmp_path: Path
) -> None:
    child = tmp_path / "17"
    child.mkdir()
    (child / "cmdline").write_text("python\0-m\0runtime.worker\0")
    assert healthcheck.is_alive(["python", "stampede", "worker", ""], tmp_path)
    shutil.rmtree(child)
    assert not healthcheck.is_alive(["python", "stampede", "worker", ""], tmp_path)


def test_a_command_that_ends_by_itself_is_alive(healthcheck: ModuleType) -> None:
    assert healthcheck.is_alive(["python", "stampede", "migrate", ""])
