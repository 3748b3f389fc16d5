"""The rooms as they are: `python -m tests.architecture.rooms` prints modules and lines a room, and the
arrows between rooms with those that go up marked; a name (`… rooms booking`) limits it to one."""

import sys
from collections import Counter

from tests.architecture.source import ROOT, modules
from tests.architecture.test_floors import FLOORS, inner, modules_imported_by


def main(only: str) -> None:
    for room in [only] if only else FLOORS:
        floors = {name: height for height, floor in enumerate(FLOORS[room]) for name in floor}
        sizes: Counter[str] = Counter()
        lines: Counter[str] = Counter()
        arrows: dict[str, set[str]] = {name: set() for name in floors}
        for module in modules():
            if not module.startswith(f"{room}."):
                continue
            name = inner(module)
            sizes[name] += 1
            lines[name] += _lines(module)
            arrows[name] |= {
                inner(other)
                for other in modules_imported_by(module)
                if other.startswith(f"{room}.") and inner(other) != name
            }
        print(
            f"{room}: {len(floors)} rooms on {len(FLOORS[room])} floors, "
            f"{sum(map(len, arrows.values()))} arrows"
        )
        for name in sorted(floors, key=lambda one: (-floors[one], one)):
            to = ", ".join(
                other + (" (UP)" if floors[other] >= floors[name] else "")
                for other in sorted(arrows[name])
            )
            print(
                f"  {floors[name]}  {name:<20}{sizes[name]:>3} modules {lines[name]:>6} lines  → {to}"
            )


def _lines(module: str) -> int:
    path = ROOT / (module.replace(".", "/") + ".py")
    path = path if path.exists() else ROOT / module.replace(".", "/") / "__init__.py"
    return path.read_text(encoding="utf-8").count("\n")


if __name__ == "__main__":
    main("".join(sys.argv[1:]))
