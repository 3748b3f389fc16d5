"""The merged document and its page."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.edge import Patience
from tests.support.gateway import Rig, rig

DOCUMENT = "/api/v1/openapi.json"


def described(name: str, path: str, schema: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": "#/components/schemas/Money"}
    body = {"content": {"application/json": {"schema": reference}}}
    operation = {
        "operationId": "list_them",
        "requestBody": body,
        "responses": {
            "200": {"description": name, **body},
            "429": {"description": "`rate-limited`"},
        },
    }
    return {
        "openapi": "3.1.0",
        "paths": {path: {"post": operation}, "/internal/x": {"get": operation}},
        "components": {
            "schemas": {"Money": schema, "Same": {"type": "string"}},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


@pytest.fixture
async def edge(redis_url: str) -> AsyncIterator[Rig]:
    async with rig(redis_url, public_url="https://tickets.example/") as running:
        running.catalog.document = described("catalog", "/api/v1/shows", {"type": "integer"})
        running.booking.document = described("booking", "/api/v1/orders", {"type": "number"})
        running.identity.document = described("identity", "/api/v1/auth/me", {"type": "integer"})
        yield running


async def test_the_document_merges_what_the_services_say(edge: Rig) -> None:
    answer = await edge.client.get(DOCUMENT)
    assert answer.header("content-type") == "application/json"
    document = answer.json
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "/"}, {"url": "https://tickets.example"}]
    assert set(document["paths"]) == {"/api/v1/shows", "/api/v1/orders", "/api/v1/auth/me"}
    assert set(document["components"]["schemas"]) == {"Problem", "Money", "BookingMoney", "Same"}
    order = document["paths"]["/api/v1/orders"]["post"]
    schema = order["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/BookingMoney"}
    operations = {item["post"]["operationId"] for item in document["paths"].values()}
    assert len(operations) == 3


async def test_the_document_tells_what_the_edge_itself_may_answer(edge: Rig) -> None:
    document = (await edge.client.get(DOCUMENT)).json
    responses = document["paths"]["/api/v1/orders"]["post"]["responses"]
    assert {"400", "408", "413", "414", "429", "431", "500", "503"} <= set(responses)
    assert responses["503"]["description"] == "`overloaded`, `unavailable`"
    assert responses["429"]["description"] == "`rate-limited`"
    assert "Retry-After" in responses["429"]["headers"]
    assert "X-Request-ID" in responses["200"]["headers"]
    # and what nobody may answer with a document, since there is no request yet (ADR 40)
    assert "get an empty 400 or 431" in document["info"]["description"]


async def test_the_document_has_an_etag_and_outlives_a_services_absence(redis_url: str) -> None:
    async with rig(redis_url, patience=Patience(document_kept_s=0.0)) as edge:
        answer = await edge.client.get(DOCUMENT)
        tag = answer.header("etag") or ""
        again = await edge.client.get(DOCUMENT, [("If-None-Match", f'"x", W/{tag}')])
        assert (again.status, again.body, again.header("etag")) == (304, b"", tag)
        edge.identity.away = True
        assert (await edge.client.get(DOCUMENT)).body == answer.body


async def test_a_document_that_would_lack_a_service_is_not_given_out(edge: Rig) -> None:
    edge.identity.away = True
    answer = await edge.client.get(DOCUMENT)
    assert (answer.status, answer.code) == (503, "unavailable")


async def test_the_docs_page_needs_nothing_from_elsewhere(edge: Rig) -> None:
    page = (await edge.client.get("/docs")).body.decode()
    assert "http" not in page.replace('charset="utf-8"', "")
    assert "<script>" not in page
    for part in page.split('"'):
        if part.startswith(("/docs", "/api")):
            assert (await edge.client.get(part)).status == 200, part
    script = await edge.client.get(
        "/docs/assets/swagger-ui-bundle.js", [("Accept-Encoding", "br, gzip")]
    )
    assert script.header("content-type") == "text/javascript; charset=utf-8"
    assert script.header("content-encoding") == "gzip"
    assert (script.header("etag") or "").endswith('-gzip"')


@pytest.mark.parametrize(
    "target",
    [
        "/docs/assets/../../asgi.py",
        "/docs/assets/%2e%2e/index.html",
        "/docs/assets/flask_swagger_ui.py",
        "/asgi.py",
        "/../gateway/asgi.py",
        "/storefront/index.html",
        "/.git/config",
        "/css",
        "/index.html/x",
    ],
)
async def test_no_file_but_the_pages_own_is_served(edge: Rig, target: str) -> None:
    answer = await edge.client.get(target)
    assert (answer.status, answer.code) == (404, "not-found")
