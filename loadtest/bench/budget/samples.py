"""Reads what the sampler wrote."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from loadtest.bench.budget import sampler

PACKAGES = "/site-packages/"


class Sample(msgspec.Struct, frozen=True):
    """`cpu_s` of the main thread; `stack`: (file, function), the innermost first. A file of ours is named
    from the root of the tree, one of a package from the package."""

    at_s: float
    cpu_s: float
    stack: tuple[tuple[str, str], ...]


def install(folder: Path) -> None:
    """Makes every Python process that has this folder on its path look for what to sample."""
    shutil.copy(Path(sampler.__file__), folder / "sitecustomize.py")


def read(folder: Path, root: Path, *, since_s: float, until_s: float) -> list[Sample]:
    """The samples of all processes, taken between these (time.monotonic())."""
    found = []
    for path in sorted(folder.glob("*.samples")):
        lines = path.read_text(encoding="utf-8").splitlines()  # each whole: one write a sample
        found += [one for one in _samples(lines, root) if since_s <= one.at_s <= until_s]
    return found


def _samples(lines: Sequence[str], root: Path) -> Iterator[Sample]:
    codes: dict[str, tuple[str, str]] = {}
    for line in lines:
        kind, first, second, *rest = line.split(" ")
        if kind == "C":
            file = " ".join([second, *rest[:-1]])
            codes[first] = (_short(file, root), rest[-1])
        else:
            yield Sample(float(first), float(second) / 1e6, tuple(codes[one] for one in rest))


def _short(file: str, root: Path) -> str:
    if PACKAGES in file:
        return file.rpartition(PACKAGES)[2]
    return file.removeprefix(f"{root}/").removeprefix(f"{sys.base_prefix}/lib/")
