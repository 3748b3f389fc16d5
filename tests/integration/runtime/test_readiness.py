"""What an operator's alarms read is the same in every service."""

from chassis.settings import Settings
from runtime.compose import compose
from runtime.services import SERVICES
from tests.support.asgi import exchange


async def test_every_service_calls_its_database_by_the_same_name(
    database_url: str, redis_url: str
) -> None:
    settings = Settings(database_url=database_url, redis_url=redis_url, demo=False)
    shown = {}
    async with compose(settings).running() as platform:
        for name in SERVICES:
            answer = await exchange(platform.apps[name], "GET", "/readyz", {"host": name}, b"")
            shown[name] = answer.json["dependencies"]
    assert {name: one.pop("postgresql", None) for name, one in shown.items()} == dict.fromkeys(
        SERVICES, True
    )
    assert set().union(*shown.values()) <= {"redis", "nats"}
