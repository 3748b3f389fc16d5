"""The image's recipe without an engine: what it installs, and that every role sells from it as an
unprivileged user without a home, who can write to the temporary folder only."""

import json
import os
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from runtime.embedded import ServerUrls
from runtime.services import PORTS
from tests.architecture.source import ROOMS
from tests.deployment.test_settings import of_compose, of_the_image
from tests.support.api import PASSWORD, Api, publish_session
from tests.support.container import Containers, Image, build, running
from tests.support.deployment import DEPLOY, ROOT
from tests.support.nats import NatsServer
from tests.support.platform import PATIENT
from tests.support.servers import eventually, free_port, redis_of

pytestmark = pytest.mark.timeout(400)

SERVED = ("identity", "catalog", "booking", "notification", "gateway")
START_WITHIN_S = 120.0


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    directory = Path(tempfile.mkdtemp(prefix="stampede-image-"))
    directory.chmod(0o755)
    try:
        yield build(directory)
    finally:
        for folder, _, _ in os.walk(directory):
            Path(folder).chmod(0o700)
        shutil.rmtree(directory)


def test_the_package_has_every_file_of_the_house(image: Image) -> None:
    """SQL, Lua, pages, languages, fonts: an installed Stampede lacks nothing that a checkout has."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z", *ROOMS], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    files = [name for name in tracked.split("\0") if name]
    assert len(files) > 600
    assert [name for name in files if not (image.packages / name).is_file()] == []


def test_the_dependencies_of_the_first_layer_are_those_of_the_project() -> None:
    printed = subprocess.run(
        ["python3", "-I", DEPLOY / "dependencies.py", ROOT / "pyproject.toml", "otlp"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["otlp"]
    assert printed.splitlines() == [*project["dependencies"], *extra]
    assert "dependencies.py pyproject.toml otlp" in (DEPLOY / "Dockerfile").read_text()


def test_the_code_comes_from_the_package(image: Image, tmp_path: Path) -> None:
    """The control of what follows: nothing runs from this checkout."""
    asked = (
        "import stampede, runtime, json; print(json.dumps([stampede.__file__, runtime.__file__]))"
    )
    answer = subprocess.run(
        [image.folder / "bin" / "python", "-c", asked], cwd="/", env=image.environ(tmp_path),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert all(Path(one).is_relative_to(image.packages) for one in json.loads(answer.stdout))


def test_the_published_events_of_an_installed_stampede_are_whole(
    image: Image, tmp_path: Path
) -> None:
    """It reads a page of Markdown from the package."""
    answer = subprocess.run(
        [image.folder / "bin" / "stampede", "events", "schemas"], cwd="/",
        env=image.environ(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "FileNotFoundError" not in answer.stderr
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.fixture
async def containers(
    image: Image,
    servers: ServerUrls,
    run_database: Callable[[str], Awaitable[str]],
    copied: Path,
) -> AsyncIterator[Containers]:
    """Every role of compose.yaml with its settings there; only addresses are those of this test."""
    directory = image.folder.parents[1] / "run"
    directory.mkdir()
    nats = NatsServer(directory / "nats")
    ports = {role: free_port() for role in SERVED}
    here = {f"STAMPEDE_{role.upper()}_URL": f"http://127.0.0.1:{ports[role]}" for role in SERVED}
    here |= {
        "STAMPEDE_DATABASE_URL": await run_database("image"),
        "STAMPEDE_REDIS_URL": redis_of(servers, "recipe"),
        "STAMPEDE_NATS_URL": nats.url,
        "STAMPEDE_PUBLIC_URL": here.pop("STAMPEDE_GATEWAY_URL"),
        "STAMPEDE_SMTP_URL": f"smtp://127.0.0.1:{free_port()}",  # nobody: mails wait
        "STAMPEDE_PAYMENT_PROVIDER": "sandbox",
    }
    made = {}
    for role, environ in of_compose(copied).items():
        given = of_the_image() | {key: here.get(key, text) for key, text in environ.items()}
        made[role] = {key: text for key, text in given.items() if "STRIPE" not in key}
        made[role] |= {"STAMPEDE_HOST": "127.0.0.1", "STAMPEDE_WORKERS": "1"}
        if role in ports:
            made[role]["STAMPEDE_PORT"] = str(ports[role])
    made["gateway"] |= PATIENT
    try:
        nats.start()
        await nats.ready()
        with running(image, directory, made) as them:
            yield them
    finally:
        nats.stop()


async def all_ready(api: Api, containers: Containers) -> None:
    def answered() -> bool:
        stopped = [role for role in (*SERVED, "worker") if not containers.is_running(role)]
        assert stopped == [], [containers.log(role) for role in stopped]
        return all("serves on" in containers.log(role) for role in SERVED)

    assert eventually(answered, START_WITHIN_S), [containers.log(role) for role in SERVED]
    assert (await api.get("/readyz?deep")).status == 200


async def buy(api: Api, session: dict[str, object]) -> dict[str, str]:
    """The headers of a buyer's token and a paid ticket's id."""
    buyer = await api.register()
    area = session["seat_areas"][0]["area_id"]  # type: ignore[index]
    body = {"session_id": session["session_id"], "seat_area_id": area, "quantity": 1}
    order = await api.post("/orders", body, token=buyer.token)
    assert order.status == 201, order
    pay = {"payment_method": "alipay", "payment_token": "tok_ok"}
    paid = await api.post(f"/orders/{order.json['order_id']}/pay", pay, token=buyer.token)
    assert paid.status == 200, paid
    return {"token": buyer.token, "ticket": paid.json["tickets"][0]["ticket_id"]}


async def test_every_role_sells_without_root_a_home_or_a_file_of_its_own(
    image: Image, containers: Containers
) -> None:
    before = image.files()
    migrated = containers.run("migrate", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    for role in SERVED:
        containers.start(role, "serve", role)
    containers.start("worker", "worker")
    api = Api(containers.settings["gateway"]["STAMPEDE_PUBLIC_URL"])
    try:
        await all_ready(api, containers)
        made = containers.run(
            "tool", "user", "create", "--email", "organizer@example.com",
            "--password", PASSWORD, "--role", "organizer",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        login = await api.post(
            "/auth/login", {"email": "organizer@example.com", "password": PASSWORD}
        )
        session = await publish_session(api, login.json["access_token"])
        bought = await buy(api, session)
        ticket, token = f"/tickets/{bought['ticket']}", bought["token"]
        for path in (f"{ticket}/ticket.pdf", f"{ticket}/qr.svg", f"{ticket}/qr.png"):
            drawn = await api.get(path, token=token)
            assert drawn.status == 200, (path, drawn)
        for path in ("/", "/docs", "/api/v1/openapi.json"):
            assert (await api.get(path)).status == 200, path
        if image.account is not None:
            for role in (*SERVED, "worker"):
                assert containers.users(role) == {image.account.uid}
    finally:
        await api.close()
    audited = containers.run("tool", "audit")
    assert audited.returncode == 0, audited.stdout
    codes = containers.stop()
    assert set(codes.values()) == {0}, codes
    assert image.files() == before
    assert [path.name for path in containers.tmp.rglob("*")] == []


def test_ports_are_those_that_compose_knows() -> None:
    """The test above moves them to free ones, so their agreement is held here."""
    text = (DEPLOY / "compose.yaml").read_text()
    for role in SERVED[:-1]:
        assert f"STAMPEDE_{role.upper()}_URL: http://{role}:{PORTS[role]}\n" in text
    assert f'}}:{PORTS["gateway"]}"]' in text
