"""Every end-to-end test runs twice: all in one process, and each service in one of its own."""

import secrets
from collections.abc import AsyncIterator

import pytest

from identity.administration import create_account
from tests.support.api import PASSWORD, Api, Person, publish_session
from tests.support.platform import RunningPlatform


@pytest.fixture(scope="session", params=["together", "apart"])
def platform(request: pytest.FixtureRequest) -> RunningPlatform:
    running: RunningPlatform = request.getfixturevalue(request.param)
    return running


@pytest.fixture
async def api(platform: RunningPlatform) -> AsyncIterator[Api]:
    client = Api(platform.base_url)
    yield client
    await client.close()


async def with_role(platform: RunningPlatform, api: Api, role: str) -> Person:
    """An account that an operator made, logged in."""
    email = f"{role}-{secrets.token_hex(8)}@example.com"
    await create_account(
        platform.environ["STAMPEDE_DATABASE_URL"],
        email=email,
        password=PASSWORD,
        role=role,
        full_name=f"The {role}",
    )
    login = await api.post("/auth/login", {"email": email, "password": PASSWORD})
    assert login.status == 200, login
    return Person(email, login.json)


@pytest.fixture
async def organizer(platform: RunningPlatform, api: Api) -> Person:
    return await with_role(platform, api, "organizer")


@pytest.fixture
async def session(api: Api, organizer: Person) -> dict:  # type: ignore[type-arg]
    """A published session on sale: 5 rows of 10 seats, and 40 standing places."""
    published: dict = await publish_session(api, organizer.token)  # type: ignore[type-arg]
    return published
