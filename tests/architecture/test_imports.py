"""Arrows point down only (docs/adr/0001): each line of the house's plan is a test here."""

import ast
import sys

import pytest

from tests.architecture.source import SERVICES, dynamic_imports_of, imports_of, modules

MAY_IMPORT = {
    "chassis": {"chassis"},
    "contracts": {"contracts", "chassis"},
    "identity": {"identity", "contracts", "chassis"},
    "catalog": {"catalog", "contracts", "chassis"},
    "booking": {"booking", "contracts", "chassis"},
    "notification": {"notification", "contracts", "chassis"},
    "gateway": {"gateway", "contracts", "chassis"},
    "runtime": {"runtime", "gateway", *SERVICES, "contracts", "chassis"},
    "planning": {"planning", "gateway", *SERVICES, "contracts", "chassis"},
    "loadtest": {"loadtest", "planning", "runtime", "gateway", *SERVICES, "contracts", "chassis"},
}
HOUSE = {*MAY_IMPORT, "stampede"}


def room_of(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_is_below_it(room: str) -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in modules()
        if room_of(module) == room
        for imported in imports_of(module)
        if room_of(imported) in HOUSE and room_of(imported) not in MAY_IMPORT[room]
    ]
    assert wrong == []


def test_only_the_composition_root_and_the_registry_import_by_name() -> None:
    allowed = {"runtime.compose", "runtime.worker", "booking.providers.registry"}
    assert {module for module in modules() if dynamic_imports_of(module)} <= allowed


def test_only_routes_and_asgi_know_litestar() -> None:
    allowed = {
        "chassis.http.service",
        "chassis.http.dead_letters",  # routes that services share
        "chassis.auth.access",
        "chassis.http.openapi",
        "chassis.http.pagination",
        "chassis.http.parameters",
    }
    allowed |= {"chassis.http.pagination", "chassis.http.idempotency", "chassis.http.fast_path"}
    wrong = [
        f"{module} imports {imported}"
        for module in modules()
        for imported in imports_of(module)
        if room_of(imported) == "litestar"
        and module not in allowed
        and room_of(module) != "loadtest"
        and not {"routes", "asgi"} & set(module.split("."))
    ]
    assert wrong == []


def test_routes_ask_use_cases_and_no_store() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in modules()
        if "routes" in module.split(".")
        for imported in imports_of(module)
        if {"store", "asyncpg"} & set(imported.replace("_store", ".store").split("."))
    ]
    assert wrong == []


def test_only_stores_run_sql() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in modules()
        for imported in imports_of(module)
        if room_of(imported) in {"asyncpg", "aiosql"}
        and room_of(module) not in {"chassis"}
        and not module.endswith(("store", "records", "refusals"))
    ]
    assert wrong == []


def test_only_seats_and_the_gateways_admission_talk_to_redis() -> None:
    allowed = (
        *("chassis.redis", "booking.seats", "gateway.", "runtime.embedded", "loadtest"),
        *("booking.wall", "runtime.wall"),  # the digests, and frames of them
    )
    wrong = [
        f"{module} imports {imported}"
        for module in modules()
        for imported in imports_of(module)
        if room_of(imported) == "redis" and not module.startswith(allowed)
    ]
    assert wrong == []


def test_domains_import_only_the_standard_library_msgspec_and_problems() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in modules()
        if "domain" in module.split(".")
        for imported in imports_of(module)
        if room_of(imported) not in sys.stdlib_module_names | {"msgspec"}
        and not imported.startswith("chassis.problems")
        and not imported.startswith(f"{room_of(module)}.domain")
    ]
    assert wrong == []


def test_only_settings_reads_the_environment() -> None:
    readers = {
        module
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}
    }
    passing_it_on = {
        "runtime.parent",
        "runtime.embedded.postgres",
        "runtime.embedded.process",
    }
    assert readers <= {"chassis.settings"} | passing_it_on
