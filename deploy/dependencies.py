"""Prints the dependencies in a pyproject.toml, one a line: the image installs them before the code."""

import sys
import tomllib
from pathlib import Path

if __name__ == "__main__":
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    print("\n".join(project["dependencies"]))  # noqa: T201  this is its output
