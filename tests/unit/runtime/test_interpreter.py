"""Which Python `make` picks. The ones that it may pick from are scripts, which describe themselves."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.interpreter import built_with_profiles, describe_build, this_python
from tests.support.servers import ROOT

FILE = ROOT / "runtime" / "interpreter.py"
GCC = {"PGO_PROF_USE_FLAG": "-fprofile-use -fprofile-correction"}


def place(folder: Path, name: str, version: tuple[int, ...], profiles: str, **how: Any) -> Path:
    """A Python that also makes "environments"."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    described = {"path": str(path), "version": version, "profiles": profiles, "lto": False}
    described |= {"complete": True, "plain": True} | how
    path.write_text(
        f"""#!/bin/sh
case "$*" in
  *--describe) echo '{json.dumps(described)}' ;;
  "-m venv "*) mkdir -p "$3/bin" && echo "{path}" > "$3/bin/python" ;;
  *) exit 2 ;;
esac
"""
    )
    path.chmod(0o755)
    return path


def pick(*folders: Path, wanted: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(FILE), *([wanted] if wanted else [])],
        env={"PATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def picked(*folders: Path, wanted: str = "") -> Path:
    done = pick(*folders, wanted=wanted)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 1
    return Path(done.stdout.strip())


def test_the_newest_with_profiles_is_picked(tmp_path: Path) -> None:
    place(tmp_path, "python3.11", (3, 11, 9), "yes")
    best = place(tmp_path, "python3.12", (3, 12, 4), "yes", lto=True)
    place(tmp_path, "python3.13", (3, 13, 1), "unknown")
    place(tmp_path, "python3.14", (3, 14, 0), "no")
    assert picked(tmp_path) == best
    said = pick(tmp_path).stderr
    assert said == f"Python 3.12.4 ({best}), built with profiles and LTO\n"


def test_one_that_does_not_tell_comes_before_one_without_profiles(tmp_path: Path) -> None:
    place(tmp_path, "python3", (3, 13, 1), "no")
    best = place(tmp_path, "python3.11", (3, 11, 2), "unknown")
    assert picked(tmp_path) == best
    assert "with profiles or without: it does not tell" in pick(tmp_path).stderr


def test_the_newest_is_picked_where_none_has_profiles(tmp_path: Path) -> None:
    place(tmp_path, "python3.9", (3, 9, 1), "no")
    place(tmp_path, "python3.11", (3, 11, 11), "no")
    best = place(tmp_path, "python3.12", (3, 12, 1), "no")
    assert picked(tmp_path) == best


def test_one_that_is_hidden_by_another_of_its_name_is_found(tmp_path: Path) -> None:
    place(tmp_path / "first", "python3.12", (3, 12, 1), "no")
    best = place(tmp_path / "second", "python3.12", (3, 12, 1), "yes")
    assert picked(tmp_path / "first", tmp_path / "second") == best


@pytest.mark.parametrize(
    ("version", "how"),
    [((3, 10, 13), {}), ((3, 15, 0), {}), ((3, 13, 0), {"plain": False}), ((3, 13, 0), {"complete": False})],
    ids=["too old", "newer than tested", "without the lock", "without venv"],
)  # fmt: skip
def test_one_that_does_not_fit_is_not_picked(
    tmp_path: Path, version: tuple[int, ...], how: dict[str, bool]
) -> None:
    place(tmp_path, "python3", version, "yes", **how)
    done = pick(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("Stampede needs CPython 3.11 to 3.14 with its module venv; here: ")
    assert str(tmp_path / "python3") in sentence
    fits = place(tmp_path, "python3.11", (3, 11, 0), "no")
    assert picked(tmp_path) == fits


def test_where_no_python_is_one_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "python3.12").write_text("#!/bin/sh\nexit 127\n")  # a shim of a version manager
    (tmp_path / "python3.12").chmod(0o755)
    done = pick(tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_one_that_is_named_is_taken(tmp_path: Path) -> None:
    place(tmp_path, "python3.13", (3, 13, 0), "yes")
    for version in ((3, 11, 0), (3, 15, 0)):  # named by hand, also one that is not tested
        named = place(tmp_path, "mine", version, "no")
        assert picked(tmp_path, wanted=str(named)) == named
        assert picked(tmp_path, wanted="mine") == named
    place(tmp_path, "mine", (3, 10, 0), "yes")
    assert pick(tmp_path, wanted="mine").returncode == 1
    assert "nowhere" in pick(tmp_path, wanted="nowhere").stderr


def test_make_builds_the_environment_with_the_best(tmp_path: Path) -> None:
    best = place(tmp_path, "python3.14", (3, 14, 999), "yes")
    (tmp_path / "python3").symlink_to(sys.executable)
    named = place(tmp_path, "mine", (3, 12, 0), "no")
    environ = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    for wanted, expected in (("", best), (f"PYTHON={named}", named)):
        made = tmp_path / f"venv-{expected.name}"
        words = ["make", "-s", f"VENV={made}", *([wanted] if wanted else []), f"{made}/bin/python"]
        done = subprocess.run(
            words, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert (made / "bin" / "python").read_text().strip() == str(expected)
        assert str(expected) in done.stderr


@pytest.mark.parametrize(
    ("variables", "profiles"),
    [
        (GCC | {"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'"}, "yes"),
        (GCC | {"CONFIG_ARGS": "'--prefix=/opt'", "PY_CORE_CFLAGS": "-O3 -fprofile-use"}, "yes"),
        (GCC | {"CONFIG_ARGS": "'--prefix=/opt' '--enable-shared'"}, "no"),
        ({"CONFIG_ARGS": "'--prefix=/usr'", "PGO_PROF_USE_FLAG": ""}, "unknown"),  # Debian
        ({"CONFIG_ARGS": None}, "unknown"),  # Windows
    ],
)
def test_how_one_was_built_is_told_by_what_configure_stored(
    variables: dict[str, object], profiles: str
) -> None:
    assert built_with_profiles(variables) == profiles


def test_this_python_describes_itself() -> None:
    python = this_python()
    assert python.version == sys.version_info[:3]
    assert "profiles" in describe_build(python)


def test_the_best_of_each_version_is_listed_the_oldest_first(tmp_path: Path) -> None:
    place(tmp_path / "first", "python3.14", (3, 14, 0), "no")
    newest = place(tmp_path / "second", "python3.14", (3, 14, 1), "no")
    profiled = place(tmp_path / "first", "python3.12", (3, 12, 1), "yes")
    place(tmp_path / "second", "python3.12", (3, 12, 9), "no")
    place(tmp_path / "first", "python3", (3, 10, 13), "yes")
    done = pick(tmp_path / "first", tmp_path / "second", wanted="--all")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"3.12 {profiled}", f"3.14 {newest}"]


def test_old_pythons_can_read_it() -> None:
    """They must be able to say that they are too old."""
    tree = ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 6))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
