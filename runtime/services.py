"""The services of the platform by name, with their ports and schemas. It loads none of them."""

from collections.abc import Sequence
from pathlib import Path

from chassis.postgres.migration_files import Migration, Phase
from chassis.postgres.migrations import check_schema, migrate, pending
from chassis.settings import Settings

SERVICES = ("identity", "catalog", "booking", "notification")
PORTS = {"gateway": 8000, "identity": 8001, "catalog": 8002, "booking": 8003, "notification": 8004}
PORTS["sandbox"] = 8005  # a payment provider, not a service: it stands beside the platform
HERE = Path(__file__).resolve().parent.parent
SANDBOX = "sandbox"  # the payment provider, which keeps its books in a schema of its own
MIGRATIONS = {name: HERE / name / "migrations" for name in SERVICES}
MIGRATIONS[SANDBOX] = HERE / "booking" / "providers" / "sandbox" / "migrations"


def schemas_of(settings: Settings, names: Sequence[str] = SERVICES) -> list[str]:
    """The schemas that these services use. The sandbox's beside booking's, unless it has a process of its
    own or another provider takes the money."""
    sandbox = settings.payment_provider == SANDBOX and "url" not in settings.provider_options
    return [*names, *([SANDBOX] if sandbox and "booking" in names else [])]


async def migrate_all(
    database_url: str, names: Sequence[str] = (*SERVICES, SANDBOX), *, phase: Phase | None = None
) -> dict[str, list[str]]:
    """Brings schemas up to date, or only as far as `phase`. Returns the migrations applied to each."""
    return {
        name: await migrate(database_url, name, MIGRATIONS[name], phase=phase) for name in names
    }


async def pending_all(
    database_url: str, names: Sequence[str], *, phase: Phase | None = None
) -> dict[str, list[Migration]]:
    """What `migrate_all` would apply to each."""
    return {
        name: await pending(database_url, name, MIGRATIONS[name], phase=phase) for name in names
    }


async def check_schemas(database_url: str, names: Sequence[str]) -> None:
    """Raises MigrationError if this code does not work on one of these schemas."""
    for name in names:
        await check_schema(database_url, name, MIGRATIONS[name])
