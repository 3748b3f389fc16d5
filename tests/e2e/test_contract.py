"""The merged OpenAPI document holds: no 5xx, no undocumented answer, every answer as described.

schemathesis makes up requests, good and bad ones, for every operation of the document.
"""

import asyncio
import os
import secrets
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from identity.administration import create_account
from tests.support.api import PASSWORD, Api
from tests.support.platform import RunningPlatform

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


# They never end; tests of their own.
ENDLESS = {"/api/v1/sessions/{session_id}/seats/stream", "/api/v1/operations/wall"}
# a kind of caller and operation; `make test-long` makes up more
EXAMPLES = int(os.environ.get("STAMPEDE_TEST_EXAMPLES", "6"))


async def callers(platform: RunningPlatform) -> dict[str, str]:
    """New logins, by who they are."""
    api = Api(platform.base_url)
    email = f"contract-{secrets.token_hex(8)}@example.com"
    for role in ("organizer", "staff"):
        await create_account(
            platform.environ["STAMPEDE_DATABASE_URL"],
            email=email,
            password=PASSWORD,
            role=role,
            full_name="Contract",
        )
    login = await api.post("/auth/login", {"email": email, "password": PASSWORD})
    customer = await api.register()
    await api.close()
    return {"organizer": login.json["access_token"], "customer": customer.token, "nobody": ""}


async def are_logged_in(platform: RunningPlatform, tokens: dict[str, str]) -> bool:
    """False after a logout, which is one of the operations."""
    api = Api(platform.base_url)
    answers = [await api.get("/auth/me", token=token) for token in tokens.values() if token]
    await api.close()
    return {answer.status for answer in answers} == {200}


def drive(operation: Any, mode: GenerationMode, token: str) -> None:
    """Makes up requests of one kind for one operation and checks every answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def conforms(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    conforms()


# The cases are drawn in a thread. What the event loop does meanwhile may well use `random`.
@pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")
@pytest.mark.timeout(600)
async def test_every_operation_answers_as_documented(together: RunningPlatform) -> None:
    """Good and bad requests, as organizer, customer and nobody."""
    url = f"{together.base_url}/api/v1/openapi.json"
    schema = await asyncio.to_thread(schemathesis.openapi.from_url, url)
    failures: list[str] = []
    driven = 0
    tokens: dict[str, str] = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in ENDLESS:
            continue
        driven += 1
        if not tokens or not await are_logged_in(together, tokens):
            tokens = await callers(together)
        for who, mode in (
            ("organizer", GenerationMode.POSITIVE),
            ("customer", GenerationMode.NEGATIVE),
            ("nobody", GenerationMode.POSITIVE),
        ):
            try:
                await asyncio.to_thread(drive, operation, mode, tokens[who])
            except Unsatisfiable:
                continue  # nothing negative can be said to a route that takes nothing
            except (FailureGroup, Failure) as failure:
                failures.append(f"{operation.label} as {who}: {failure}")
    assert driven >= 25
    assert not failures, "\n".join(failures)
