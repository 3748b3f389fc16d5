"""What the Dockerfile builds, made without an engine: the same steps in a folder, and roles that run in it as
an unprivileged user who can write to its temporary folder only."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from runtime.embedded.account import Account, choose_account, let_reach
from runtime.embedded.spawning import tethered
from tests.support.servers import ROOT

BUILD_TIMEOUT_S = 120
COMMAND_TIMEOUT_S = 90
STOP_TIMEOUT_S = 40


def build_context(directory: Path) -> Path:
    """The files that the build sees: those that .dockerignore names."""
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            source, target = ROOT / line[1:], directory / line[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
    return directory


@dataclass(frozen=True)
class Image:
    """An environment like /srv/stampede, and the account that runs in it."""

    folder: Path
    account: Account | None

    @property
    def packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def environ(self, tmp: Path, **more: str) -> dict[str, str]:
        """Everything that a process in the container would find in its environment."""
        path = f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        plain = {"PATH": path, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
        return plain | {"TMPDIR": str(tmp)} | more

    def files(self) -> set[Path]:
        return {path for path in self.folder.rglob("*") if not path.is_dir()}


def build(directory: Path) -> Image:
    """Runs the Dockerfile's steps: an environment, the dependencies, the code as a package.

    The dependencies are the ones of this environment, by their folder: they are pinned to the same versions.
    The code comes from the build context alone; the editable install here is not seen.
    """
    context = build_context(directory / "context")
    folder = directory / "opt" / "stampede"
    venv.create(folder, symlinks=True)
    image = Image(folder, choose_account(directory))
    ours = sysconfig.get_path("purelib")
    (image.packages / "dependencies.pth").write_text(f"{ours}\n")
    _pip("wheel", "--no-build-isolation", "--wheel-dir", directory, context)
    (wheel,) = directory.glob("*.whl")
    _pip("--python", folder / "bin" / "python", "install", "--no-index", wheel)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222 | 0o444)
    return image


@contextmanager
def reachable(image: Image, *more: Path) -> Iterator[None]:
    """While it lasts, the account may enter every folder above the image's programs, the interpreter and
    the dependencies: root's own home, where they lie on some machines, is closed to others."""
    interpreter = (image.folder / "bin" / "python").resolve()
    paths = [image.folder / "bin", interpreter, Path(sysconfig.get_path("purelib")), *more]
    modes = {one: one.stat().st_mode for path in paths for one in path.resolve().parents}
    try:
        for path in paths:
            let_reach(path, image.account)
        yield
    finally:
        for folder, mode in modes.items():
            if folder.exists() and folder.stat().st_mode != mode:
                folder.chmod(stat.S_IMODE(mode))


def _pip(*arguments: str | Path) -> None:
    options = ("--quiet", "--no-deps", "--disable-pip-version-check")
    done = subprocess.run(
        [sys.executable, "-m", "pip", *map(str, arguments), *options],
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Containers:
    """Roles that run in an image, each with the settings of its container."""

    def __init__(self, image: Image, directory: Path, settings: Mapping[str, Mapping[str, str]]):
        self._image = image
        self.settings = settings
        self._logs = directory
        self.tmp = directory / "tmp"
        self.tmp.mkdir()
        self.tmp.chmod(0o1777)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, role: str, *command: str) -> None:
        with (self._logs / f"{role}.log").open("ab") as log:
            self._running[role] = subprocess.Popen(
                self._argv(*command), cwd=self._image.folder, env=self._environ(role),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def run(self, role: str, *command: str) -> subprocess.CompletedProcess[str]:
        """A command that ends by itself, with the settings of `role`."""
        return subprocess.run(
            self._argv(*command), cwd=self._image.folder, env=self._environ(role),
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=COMMAND_TIMEOUT_S, check=False,
        )  # fmt: skip

    def is_running(self, role: str) -> bool:
        return self._running[role].poll() is None

    def log(self, role: str) -> str:
        return (self._logs / f"{role}.log").read_text(errors="replace")[-4000:]

    def users(self, role: str) -> set[int]:
        """The effective user ids of a role's processes."""
        family = psutil.Process(self._running[role].pid).children(recursive=True)
        return {one.uids().effective for one in family}

    def stop(self) -> dict[str, int | None]:
        """Ends all by SIGTERM, as an engine does. Their exit codes; None for one that had to be killed."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        codes: dict[str, int | None] = {}
        for role, process in self._running.items():
            codes[role] = None
            with suppress(subprocess.TimeoutExpired):
                codes[role] = process.wait(STOP_TIMEOUT_S)
            if codes[role] is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._running.clear()
        return codes

    def _argv(self, *command: str) -> list[str]:
        return tethered(
            [str(self._image.folder / "bin" / "stampede"), *command],
            signal.SIGTERM,
            self._image.account,
        )

    def _environ(self, role: str) -> dict[str, str]:
        return self._image.environ(self.tmp, **self.settings[role])


@contextmanager
def running(
    image: Image, directory: Path, settings: Mapping[str, Mapping[str, str]]
) -> Iterator[Containers]:
    containers = Containers(image, directory, settings)
    with reachable(image, directory):
        try:
            yield containers
        finally:
            containers.stop()
