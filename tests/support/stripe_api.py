"""Stripe's HTTP API in memory, as far as we use it: form bodies in, its JSON out.

Idempotency keys replay the first answer and refuse other parameters, as Stripe's do. `pm_card_visa`
succeeds, `pm_card_visa_chargeDeclined` is declined, `pm_alipay` and `pm_wechat` wait for the buyer.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

KEY = "sk_test_fake0123456789"
PAGE = 2  # objects in an answer that lists them, so that few are several pages


class StripeApi:
    """Its data, and how it misbehaves: `silent` calls take effect and are never answered."""

    def __init__(self) -> None:
        self.intents: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.traceparents: list[str | None] = []  # of each call
        self.silent: set[str] = set()  # last segments of paths
        self.failing: dict[str, tuple[int, dict[str, Any]]] = {}
        self.url = ""
        self._answers: dict[str, tuple[Any, int, Any]] = {}
        self._numbers = itertools.count(1)
        self._forever = asyncio.Event()

    def forget_keys(self) -> None:
        """What happens a day later."""
        self._answers.clear()

    def captured(self) -> int:
        return sum(intent["amount_received"] for intent in self.intents.values())

    async def handle(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/v1/")
        self.calls.append(f"{request.method} {path.split('/')[0]}")
        self.traceparents.append(request.headers.get("traceparent"))
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "invalid_request_error", message="Invalid API Key provided")
        word = path.split("/")[-1]
        if word in self.failing:
            status, error = self.failing[word]
            return web.json_response({"error": error}, status=status)
        form = dict(parse_qsl(await request.text()))
        status, answer = self._once(request, path, form)
        if word in self.silent:
            await self._forever.wait()
        return web.json_response(answer, status=status)

    def _once(self, request: web.Request, path: str, form: dict[str, str]) -> tuple[int, Any]:
        key = request.headers.get("idempotency-key")
        if request.method != "POST" or key is None:
            return self._answer(request, path, form)
        asked = (path, form)
        if key in self._answers:
            before, status, answer = self._answers[key]
            if before != asked:
                return 400, {"error": {"type": "idempotency_error", "message": "other parameters"}}
            return status, answer
        status, answer = self._answer(request, path, form)
        self._answers[key] = (asked, status, dict(answer))
        return status, answer

    def _answer(self, request: web.Request, path: str, form: dict[str, str]) -> tuple[int, Any]:
        found: tuple[int, Any] = (404, {"error": {"type": "invalid_request_error"}})
        match request.method, path.split("/"):
            case "POST", ["payment_intents"]:
                found = self._create(form)
            case "GET", ["payment_intents"]:
                found = 200, self._list(self.intents, request)
            case "GET", ["payment_intents", name]:
                found = 200, dict(self.intents[name])
            case "POST", ["payment_intents", name, "confirm"]:
                found = self._confirm(self.intents[name], form)
            case "POST", ["payment_intents", name, "cancel"]:
                found = self._cancel(self.intents[name])
            case "POST", ["refunds"]:
                found = self._refund(form)
            case "GET", ["refunds"] if "payment_intent" not in request.query:
                found = 200, self._list(self.refunds, request)
            case "GET", ["refunds"]:
                intent_id = request.query["payment_intent"]
                mine = [one for one in self.refunds.values() if one["payment_intent"] == intent_id]
                found = 200, {"object": "list", "data": mine, "has_more": False, "url": "/"}
        return found

    def _list(self, things: dict[str, dict[str, Any]], request: web.Request) -> Any:
        """Newest first, PAGE at a time; with `latest_charge` whole where it is asked for."""
        asked = request.query
        first, last = int(asked["created[gte]"]), int(asked["created[lt]"])
        names = [name for name in reversed(things) if first <= things[name]["created"] < last]
        after = names.index(asked["starting_after"]) + 1 if "starting_after" in asked else 0
        page = [dict(things[name]) for name in names[after : after + PAGE]]
        if asked.get("expand[0]") == "data.latest_charge":
            for intent in page:
                back = sum(
                    refund["amount"]
                    for refund in self.refunds.values()
                    if refund["payment_intent"] == intent["id"]
                )
                charge = intent["latest_charge"]
                intent["latest_charge"] = charge and {"id": charge, "amount_refunded": back}
        more = after + PAGE < len(names)
        return {"object": "list", "data": page, "has_more": more, "url": "/"}

    def _create(self, form: dict[str, str]) -> tuple[int, Any]:
        if int(form["amount"]) < 50:
            return _refusal("amount_too_small", param="amount")
        name = f"pi_{next(self._numbers):024d}"
        self.intents[name] = {
            "id": name,
            "object": "payment_intent",
            "amount": int(form["amount"]),
            "amount_received": 0,
            "cancellation_reason": None,
            "canceled_at": None,
            "capture_method": "automatic",
            "client_secret": f"{name}_secret_x",
            "created": int(time.time()),
            "confirmation_method": "automatic",
            "currency": form["currency"],
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": _nested(form, "metadata"),
            "next_action": None,
            "payment_method": None,
            "payment_method_types": [form["payment_method_types[0]"]],
            "status": "requires_payment_method",
        }
        return 200, dict(self.intents[name])

    def _confirm(self, intent: dict[str, Any], form: dict[str, str]) -> tuple[int, Any]:
        if intent["status"] not in {"requires_payment_method", "requires_confirmation"}:
            return _refusal("payment_intent_unexpected_state")
        match form.get("payment_method"):
            case "pm_card_visa":
                charge = f"ch_{next(self._numbers):024d}"
                received = {"amount_received": intent["amount"], "latest_charge": charge}
                intent |= {"status": "succeeded"} | received
            case "pm_card_visa_chargeDeclined":
                error = {"type": "card_error", "code": "card_declined"}
                error |= {"decline_code": "generic_decline", "message": "Your card was declined."}
                intent |= {"last_payment_error": error}
                return 402, {"error": error | {"payment_intent": dict(intent)}}
            case "pm_alipay" | "pm_wechat":
                action = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://bank"}}
                intent |= {"status": "requires_action", "next_action": action}
            case _:
                return _refusal("resource_missing", param="payment_method")
        return 200, dict(intent)

    def _cancel(self, intent: dict[str, Any]) -> tuple[int, Any]:
        if intent["status"] in {"succeeded", "canceled"}:
            return _refusal("payment_intent_unexpected_state")
        intent |= {"status": "canceled", "canceled_at": 1}
        return 200, dict(intent)

    def _refund(self, form: dict[str, str]) -> tuple[int, Any]:
        intent = self.intents[form["payment_intent"]]
        before = [r["amount"] for r in self.refunds.values() if r["payment_intent"] == intent["id"]]
        if int(form["amount"]) + sum(before) > intent["amount_received"]:
            return _refusal("charge_already_refunded")
        name = f"re_{next(self._numbers):024d}"
        self.refunds[name] = {
            "id": name,
            "object": "refund",
            "amount": int(form["amount"]),
            "charge": intent["latest_charge"],
            "created": int(time.time()),
            "currency": intent["currency"],
            "metadata": _nested(form, "metadata"),
            "payment_intent": intent["id"],
            "reason": None,
            "status": "succeeded",
        }
        return 200, dict(self.refunds[name])


def _nested(form: dict[str, str], name: str) -> dict[str, str]:
    start = f"{name}["
    return {k.removeprefix(start)[:-1]: v for k, v in form.items() if k.startswith(start)}


def _refusal(code: str, **more: str) -> tuple[int, Any]:
    return 400, {"error": {"type": "invalid_request_error", "code": code, "message": code} | more}


def _error(status: int, type_: str, **more: str) -> web.Response:
    return web.json_response({"error": {"type": type_} | more}, status=status)


@asynccontextmanager
async def stripe_api() -> AsyncIterator[StripeApi]:
    """Listens on its own port."""
    api = StripeApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()
