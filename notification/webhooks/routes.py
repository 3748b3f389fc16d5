"""Webhook endpoints of organizers, and their deliveries."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter, RawBody
from msgspec import UNSET

from chassis.auth.access import ORGANIZERS, access
from chassis.http.bodies import decode
from chassis.http.idempotency import ONCE, once_by_key
from chassis.http.pagination import PageNumber, PageSize
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.postgres.pool import Pool, transaction
from chassis.problems import Unavailable
from notification.webhooks import endpoints, reading
from notification.webhooks.endpoints import OutsideChecks
from notification.webhooks.problems import EndpointInactive, TooManyEndpoints
from notification.webhooks.wire import (
    ChangeEndpoint,
    CreateEndpoint,
    Delivery,
    DeliveryInFull,
    DeliveryList,
    DeliveryStatus,
    Endpoint,
    EndpointList,
    NewEndpoint,
    NewSecret,
    Nothing,
    RotateSecret,
)

PATH = "/api/v1/webhook-endpoints"
ONE = PATH + "/{endpoint_id:uuid}"
TAGS = ("Webhooks",)
NO_STORE = {"Cache-Control": "no-store"}  # an answer may contain a secret

Status = Annotated[
    DeliveryStatus | None, QueryParameter(description="Only deliveries with this status.")
]


def _documented(kind: Any, status: int = 200) -> dict[int, Any]:
    return {status: ResponseSpec(data_container=kind, generate_examples=False, description="")}


def _checks(request: Request[Any, Any, Any]) -> OutsideChecks:
    checks: OutsideChecks = request.app.state.webhook_checks
    return checks


def _answer(document: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(document), media_type="application/json", headers=NO_STORE)


@post(
    PATH,
    operation_id="create_webhook_endpoint",
    summary="Subscribe to events",
    tags=TAGS,
    opt=access(*ORGANIZERS, body=CreateEndpoint, problems=(*ONCE, TooManyEndpoints, Unavailable)),
    responses=_documented(NewEndpoint, 201),
)
async def create_webhook_endpoint(
    request: Request[Any, Any, Any],
    principal: Caller,
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """The answer has the secret that signs deliveries; it is not shown again."""
    wanted = decode(CreateEndpoint, body)
    checks = _checks(request)
    checked = msgspec.structs.replace(wanted, url=await checks.url(wanted.url))
    if checked.show_id is not None:
        await checks.show(principal, checked.show_id)
    return await once_by_key(
        request.app.state.pool,
        request,
        principal,
        key=idempotency_key,
        body=wanted,
        status=201,
        effect=lambda held: endpoints.create_endpoint(held, principal, checked),
        headers=NO_STORE,
    )


@get(
    PATH,
    operation_id="list_webhook_endpoints",
    summary="Your webhook endpoints",
    tags=TAGS,
    opt=access(*ORGANIZERS),
    responses=_documented(EndpointList),
)
async def list_webhook_endpoints(
    request: Request[Any, Any, Any],
    principal: Caller,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> Response[bytes]:
    """Newest first; for an admin, the endpoints of all users."""
    pool: Pool = request.app.state.pool
    return _answer(await reading.list_endpoints(pool, principal, page, page_size))


@get(
    ONE,
    operation_id="get_webhook_endpoint",
    summary="One webhook endpoint",
    tags=TAGS,
    opt=access(*ORGANIZERS),
    responses=_documented(Endpoint),
)
async def get_webhook_endpoint(
    request: Request[Any, Any, Any], principal: Caller, endpoint_id: FromPath[UUID]
) -> Response[bytes]:
    """The answer does not include the secret."""
    pool: Pool = request.app.state.pool
    return _answer(await reading.get_endpoint(pool, principal, endpoint_id))


@patch(
    ONE,
    operation_id="change_webhook_endpoint",
    summary="Change, activate or deactivate a webhook endpoint",
    tags=TAGS,
    opt=access(*ORGANIZERS, body=ChangeEndpoint),
    responses=_documented(Endpoint),
)
async def change_webhook_endpoint(
    request: Request[Any, Any, Any], principal: Caller, endpoint_id: FromPath[UUID], body: RawBody
) -> Response[bytes]:
    """Changes only the given fields. An inactive endpoint does not get the events of that time later."""
    change = decode(ChangeEndpoint, body)
    if change.url is not UNSET:
        change = msgspec.structs.replace(change, url=await _checks(request).url(change.url))
    async with transaction(request.app.state.pool) as tx:
        return _answer(await endpoints.change_endpoint(tx, principal, endpoint_id, change))


@delete(
    ONE,
    operation_id="delete_webhook_endpoint",
    summary="Delete a webhook endpoint",
    tags=TAGS,
    status_code=204,
    opt=access(*ORGANIZERS),
)
async def delete_webhook_endpoint(
    request: Request[Any, Any, Any], principal: Caller, endpoint_id: FromPath[UUID]
) -> None:
    """Also deletes its deliveries, including pending ones."""
    await endpoints.remove(request.app.state.pool, principal, endpoint_id)


@post(
    ONE + "/rotate-secret",
    operation_id="rotate_webhook_secret",
    summary="Change the secret",
    tags=TAGS,
    status_code=200,
    opt=access(*ORGANIZERS, body=RotateSecret, problems=ONCE),
    responses=_documented(NewSecret),
)
async def rotate_webhook_secret(
    request: Request[Any, Any, Any],
    principal: Caller,
    endpoint_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Until the overlap ends, deliveries have two signatures: by the old and by the new secret."""
    wanted = decode(RotateSecret, body) if body else RotateSecret()
    return await once_by_key(
        request.app.state.pool,
        request,
        principal,
        key=idempotency_key,
        body=wanted,
        status=200,
        effect=lambda held: endpoints.rotate_secret(held, principal, endpoint_id, wanted),
        headers=NO_STORE,
    )


@post(
    ONE + "/test",
    operation_id="send_test_webhook",
    summary="Send a ping",
    tags=TAGS,
    status_code=202,
    opt=access(*ORGANIZERS, body=Nothing, problems=(*ONCE, EndpointInactive)),
    responses=_documented(Delivery, 202),
)
async def send_test_webhook(
    request: Request[Any, Any, Any],
    principal: Caller,
    endpoint_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Sends `stampede.webhook.ping.v1`, signed and retried like every event."""
    nothing = decode(Nothing, body) if body else Nothing()
    return await once_by_key(
        request.app.state.pool,
        request,
        principal,
        key=idempotency_key,
        body=nothing,
        status=202,
        effect=lambda held: endpoints.send_test(held, principal, endpoint_id),
        headers=NO_STORE,
    )


@get(
    ONE + "/deliveries",
    operation_id="list_webhook_deliveries",
    summary="Deliveries of a webhook endpoint",
    tags=TAGS,
    opt=access(*ORGANIZERS),
    responses=_documented(DeliveryList),
)
async def list_webhook_deliveries(
    request: Request[Any, Any, Any],
    principal: Caller,
    endpoint_id: FromPath[UUID],
    *,
    status: Status = None,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> Response[bytes]:
    """Newest first; ended deliveries are kept for two weeks."""
    pool: Pool = request.app.state.pool
    return _answer(
        await reading.list_deliveries(
            pool, principal, endpoint_id, status=status, page=page, page_size=page_size
        )
    )


@get(
    PATH + "/deliveries/{delivery_id:uuid}",
    operation_id="get_webhook_delivery",
    summary="One delivery with its payload",
    tags=TAGS,
    opt=access(*ORGANIZERS),
    responses=_documented(DeliveryInFull),
)
async def get_webhook_delivery(
    request: Request[Any, Any, Any], principal: Caller, delivery_id: FromPath[UUID]
) -> Response[bytes]:
    """With the exact body that is sent."""
    pool: Pool = request.app.state.pool
    return _answer(await reading.get_delivery(pool, principal, delivery_id))


@post(
    PATH + "/deliveries/{delivery_id:uuid}/resend",
    operation_id="resend_webhook_delivery",
    summary="Send a delivery again",
    tags=TAGS,
    status_code=202,
    opt=access(*ORGANIZERS, body=Nothing, problems=(*ONCE, EndpointInactive)),
    responses=_documented(Delivery, 202),
)
async def resend_webhook_delivery(
    request: Request[Any, Any, Any],
    principal: Caller,
    delivery_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Sends the same body with the same webhook-id, whatever the delivery's status."""
    nothing = decode(Nothing, body) if body else Nothing()
    return await once_by_key(
        request.app.state.pool,
        request,
        principal,
        key=idempotency_key,
        body=nothing,
        status=202,
        effect=lambda held: endpoints.resend(held, principal, delivery_id),
        headers=NO_STORE,
    )


WEBHOOK_ROUTES = [
    create_webhook_endpoint,
    list_webhook_endpoints,
    get_webhook_endpoint,
    change_webhook_endpoint,
    delete_webhook_endpoint,
    rotate_webhook_secret,
    send_test_webhook,
    list_webhook_deliveries,
    get_webhook_delivery,
    resend_webhook_delivery,
]
