"""Prints the dependencies in a pyproject.toml and those of the extras named after it, one a line: the image
installs them before the code."""

import sys
import tomllib
from pathlib import Path

if __name__ == "__main__":
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    extras = [project["optional-dependencies"][name] for name in sys.argv[2:]]
    print("\n".join(sum(extras, project["dependencies"])))  # noqa: T201  this is its output
