"""The Python environment in which another commit's tree is measured.

It is this one if its packages are what that tree asks for, else one that is made for it, in the versions of
its own constraints.txt.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from chassis import settings
from runtime.starting import StartError

INSTALL_MAX_S = 900.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def python_for(tree: Path, folder: Path, say: Callable[[str], object] = str) -> str:
    """The path of a Python that has what the tree needs. `folder`: for an environment of its own, outside the
    tree. Raises StartError if it cannot be made."""
    unlike = list(unlike_here(tree))
    if not unlike:
        return sys.executable
    say(f"Making an environment: that tree needs {', '.join(unlike)}")
    venv = folder / "venv"
    python = str(venv / "bin" / "python")
    _run([sys.executable, "-m", "venv", str(venv)], tree)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--constraint", "constraints.txt", "--editable", "."], tree)
    return python


def unlike_here(tree: Path) -> Iterator[str]:
    """What the tree needs and is not installed here, or in another version than it pins."""
    pins = dict(_pins(tree))
    for name in _dependencies(tree):
        if _installed(name) is None:
            yield name
    for name, pinned in pins.items():
        if _installed(name) not in {None, pinned}:
            yield f"{name}=={pinned}"


def _dependencies(tree: Path) -> list[str]:
    """Without those that have markers: they are not for every machine."""
    path = tree / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    asked: list[str] = project.get("project", {}).get("dependencies", [])
    return [found[0] for one in asked if ";" not in one and (found := NAME.match(one))]


def _pins(tree: Path) -> Iterator[tuple[str, str]]:
    path = tree / "constraints.txt"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        name, equals, pinned = line.partition("==")
        if equals and ";" not in pinned:
            yield name.strip(), pinned.strip()


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _run(command: list[str], tree: Path) -> None:
    done = subprocess.run(
        command,
        cwd=tree,
        env=settings.inherited_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=INSTALL_MAX_S,
        check=False,
    )
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip()
        raise StartError(f"No environment for {tree}: {said[-1000:]}")
