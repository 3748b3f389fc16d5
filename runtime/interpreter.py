"""Picks the Python that `make` builds the environment with, and says how a Python was built.

    python3 -I runtime/interpreter.py           # the path of the best one here; a sentence on stderr
    python3 -I runtime/interpreter.py PATH      # the same of this one
    python3 -I runtime/interpreter.py --all     # the best one here of each version, oldest first: `3.13 PATH`

CPython that was built with profiles (profile-guided optimisation, PGO) serves a request with 15 to 20% less
CPU. `make` runs this file before there is an environment, by whichever python3 is there. So it needs the
standard library only, and Python 3.6.
"""

import json
import os
import subprocess
import sys
import sysconfig
from typing import NamedTuple

OLDEST, NEWEST = (3, 11), (3, 14)  # what make picks from; docs/adr/0088 says which were tested
RANKS = ("no", "unknown", "yes")  # of "built with profiles", the best last
ANSWER_WITHIN_S = 20


class Python(NamedTuple):
    """An interpreter, as it describes itself."""

    path: str
    version: "tuple[int, ...]"
    profiles: str  # one of RANKS
    lto: bool
    complete: bool  # can make environments
    plain: bool  # CPython with its lock, no debug build: what our dependencies have wheels for


def built_with_profiles(variables: "dict[str, object]") -> str:
    """Whether CPython with these sysconfig variables was built with profiles: yes, no or unknown.

    configure stores its arguments, and the compiler's flag for using profiles whether it is used or not.
    Debian builds with profiles by other means and removes the flag: then the answer is "unknown". Who ran
    `make profile-opt` by hand is answered "no", and may name that Python (`make PYTHON=…`).
    """
    arguments = str(variables.get("CONFIG_ARGS") or "")
    if "--enable-optimizations" in arguments:
        return "yes"
    flags = ("CFLAGS", "CFLAGS_NODIST", "PY_CFLAGS_NODIST", "PY_CORE_CFLAGS")
    if any("-fprofile-" in str(variables.get(name) or "") for name in flags):
        return "yes"
    return "no" if arguments and variables.get("PGO_PROF_USE_FLAG") else "unknown"


def this_python() -> Python:
    """The Python that runs this; in an environment, the one that it was made with."""
    variables = sysconfig.get_config_vars()
    arguments = str(variables.get("CONFIG_ARGS") or "")
    try:
        import ensurepip  # noqa: F401, PLC0415  Debian leaves it out of python3 and puts it into python3-venv
        import venv  # noqa: F401, PLC0415

        complete = True
    except ImportError:
        complete = False
    modified = any(variables.get(name) for name in ("Py_DEBUG", "Py_GIL_DISABLED"))
    return Python(
        getattr(sys, "_base_executable", None) or sys.executable,
        tuple(sys.version_info[:3]),
        built_with_profiles(variables),
        "--with-lto" in arguments,
        complete,
        sys.implementation.name == "cpython" and not modified,
    )


def describe_build(python: Python) -> str:
    """`with profiles and LTO`, `without profiles`, `with profiles or without: it does not tell`."""
    lto = " and LTO" if python.lto else ""
    if python.profiles == "unknown":
        return f"with profiles{lto} or without: it does not tell"
    return f"{'with' if python.profiles == 'yes' else 'without'} profiles{lto}"


def ask(path: str) -> "list[Python]":
    """The Python at a path, described by itself. Empty if none is there, or not from 3.6 on."""
    try:
        done = subprocess.run(
            [path, "-I", os.path.abspath(__file__), "--describe"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_WITHIN_S,
            check=True,
        )
        described = json.loads(done.stdout.decode())
        return [Python(**dict(described, version=tuple(described["version"])))]
    except (OSError, ValueError, TypeError, KeyError, subprocess.SubprocessError):
        return []


def installed() -> "list[Python]":
    """Every Python on the PATH, once, also where another one of the same name comes first."""
    minors = range(NEWEST[1], OLDEST[1] - 1, -1)
    names = ["python3", *(f"python3.{minor}" for minor in minors)]
    paths = [os.path.join(folder, name) for folder in os.get_exec_path() for name in names]
    files = {os.path.realpath(path): path for path in reversed(paths) if os.access(path, os.X_OK)}
    found = {os.path.realpath(one.path): one for path in files.values() for one in ask(path)}
    return list(found.values())


def is_supported(python: Python) -> bool:
    return OLDEST <= python.version[:2] <= NEWEST and python.complete and python.plain


def best(pythons: "list[Python]") -> "list[Python]":
    """The newest of those with profiles, else of those that do not tell, else of all. Empty: none fits."""
    fitting = [python for python in pythons if is_supported(python)]
    fitting.sort(key=lambda python: (RANKS.index(python.profiles), python.version))
    return fitting[-1:]


def best_of_each(pythons: "list[Python]") -> "list[Python]":
    """The best of each version from the oldest to the newest, as far as they are here."""
    versions = sorted({python.version[:2] for python in pythons})
    return [
        found
        for version in versions
        for found in best([python for python in pythons if python.version[:2] == version])
    ]


def name_of(python: Python) -> str:
    version = ".".join(map(str, python.version))
    lacks = "" if python.complete else ", without venv"
    unusual = "" if python.plain else ", not plain CPython"
    return f"{version} ({python.path}{lacks}{unusual})"


def main(wanted: str = "") -> int:
    if wanted == "--describe":
        print(json.dumps(this_python()._asdict()))
        return 0
    if wanted == "--all":
        for python in best_of_each(installed()):
            print("{}.{} {}".format(*python.version[:2], python.path))
        return 0
    there = ask(wanted) if wanted else installed()
    # Who names one may name a newer one.
    chosen = best(there) or [one for one in there if wanted and one.version > NEWEST]
    if not chosen:
        found = ", ".join(map(name_of, there)) or f"{wanted or 'none'}, which does not answer"
        supported = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
        print(
            f"Stampede needs CPython {supported} with its module venv; here: {found}."
            " Install one (Debian: python3-venv), or name it: make PYTHON=/path/to/python3.13 ...",
            file=sys.stderr,
        )
        return 1
    print(f"Python {name_of(chosen[0])}, built {describe_build(chosen[0])}", file=sys.stderr)
    print(chosen[0].path)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
