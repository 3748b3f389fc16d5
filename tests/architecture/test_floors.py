"""Rooms within a room: a package imports only packages on lower floors, and nothing imports in a circle."""

import pytest

from tests.architecture.source import ROOMS, imports_of, modules

# From the ground up; rooms of one floor know nothing of each other. A module that lies beside the
# packages is a room of its own.
FLOORS = {
    "chassis": [
        {
            "clock",
            "draining",
            "ids",
            "languages",
            "masking",
            "problems",
            "process_memory",
            "setting_values",
            "spans",
        },
        {"settings", "context", "texts"},
        {"observability"},
        {"concurrency", "redis"},
        {"postgres"},
        {"auth"},
        {"seam"},
        {"events"},
        {"wiring"},
        {"http"},
    ],
    "gateway": [
        {"metrics", "problems", "routing"},
        {"protection"},
        {"http"},
        {"pages", "direct"},
        {"forwarding"},
        {"edge"},
        {"asgi"},
    ],
    "notification": [
        {"outgoing", "rehearsals"},
        {"mailbox", "webhooks"},
        {"messages"},
        {"composition", "consumer", "routes"},
        {"asgi", "workers"},
    ],
    "planning": [
        {"costs", "demand"},
        {"work"},
        {"simulation"},
        {"sizing"},
        {"walls"},
        {"plan"},
        {"report"},
    ],
    "booking": [
        {"domain", "events"},
        {"refusals", "clients", "providers", "rehearsals", "prices"},
        {"promo_codes", "seats", "tickets", "reports"},
        {"operations"},
        {"orders", "door", "wall"},
        {"refunds"},
        {"payments", "cancelled_sessions"},
        {"composition"},
        {"audit"},
        {"measures"},
        {"routes", "workers", "recovery"},
        {"asgi"},
    ],
}


def inner(name: str) -> str:
    """`chassis.events.relay` → `events`."""
    return name.split(".")[1] if "." in name else ""


@pytest.mark.parametrize("room", FLOORS)
def test_every_module_has_a_floor(room: str) -> None:
    floors = set().union(*FLOORS[room])
    there = {inner(name) for name in modules() if name.startswith(f"{room}.")}
    assert there == floors


@pytest.mark.parametrize("room", FLOORS)
def test_a_package_imports_only_lower_floors(room: str) -> None:
    floor_of = {name: height for height, floor in enumerate(FLOORS[room]) for name in floor}
    wrong = [
        f"{module} imports {imported}"
        for module in modules()
        if module.startswith(f"{room}.")
        for imported in imports_of(module)
        if imported.startswith(f"{room}.")
        and inner(imported) in floor_of
        and inner(imported) != inner(module)
        and floor_of[inner(imported)] >= floor_of[inner(module)]
    ]
    assert wrong == []


def modules_imported_by(module: str) -> set[str]:
    """Modules of the house; of `from package import name` the module that has the name."""
    found = set()
    for imported in imports_of(module):
        name = imported
        while name and name not in modules():
            name = name.rpartition(".")[0]
        if name and name != module and name.partition(".")[0] in ROOMS:
            found.add(name)
    return found


def test_nothing_imports_in_a_circle() -> None:
    left = {module: modules_imported_by(module) for module in modules()}
    while free := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}, "these, or what imports them, import each other"
