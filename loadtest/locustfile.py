"""Buyers at the moment of opening, for locust: headless from `stampede loadtest flash-sale`, or

    stampede loadtest prepare --users 1000 --tickets 100 --plan /tmp/plan.json
    locust -f loadtest/locustfile.py --plan /tmp/plan.json

with its web page (as many users as the plan has). Every buyer has a token and an address of its own
(X-Forwarded-For; the platform must trust this machine as a proxy), waits for the opening, orders one
or two tickets, comes back as told on 429 and 503, and pays what it got. Bounded in tries and time.
"""

import itertools
import random
import time
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust import FastHttpUser, events, task
from locust.exception import StopUser

from loadtest.answers import Answer
from loadtest.plan import Plan

TRIES_MAX = 20
GIVE_UP_AFTER_S = 60.0
ANSWER_TIMEOUT_S = 30.0
PROGRESS_EVERY_S = 1.0


class Run:
    """What all buyers of this process share."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.results: Path | None = None
        self.numbers = itertools.count()
        self.answers: list[Answer] = []
        self.done = 0


run = Run()


@events.init_command_line_parser.add_listener
def _arguments(parser: Any) -> None:
    parser.add_argument("--plan", type=str, default="", help="File that `loadtest prepare` wrote")
    parser.add_argument("--results", type=str, default="", help="File for every single answer")


@events.init.add_listener
def _read_plan(environment: Any, **_: Any) -> None:
    options = environment.parsed_options
    if options.plan:
        run.plan = Plan.read(Path(options.plan))
        environment.host = run.plan.base_url
    run.results = Path(options.results) if options.results else None
    if run.results is not None:
        gevent.spawn(_progress, environment)


def _progress(environment: Any) -> None:
    """A line a second, and the end of the run once every buyer has had its last answer."""
    assert run.plan is not None
    buyers = len(run.plan.tokens)
    while True:
        gevent.sleep(PROGRESS_EVERY_S)
        left = run.plan.opens_at - time.time()
        phase = f"opens in {left:.0f} s" if left > 0 else f"open for {-left:.0f} s"
        count = environment.runner.user_count if environment.runner else 0
        print(f"  {phase}: {count} waiting, {run.done} of {buyers} served", flush=True)
        if run.done >= buyers or left < -GIVE_UP_AFTER_S - ANSWER_TIMEOUT_S:
            environment.runner.quit()
            return


@events.quitting.add_listener
def _write_results(**_: Any) -> None:
    if run.results is not None:
        run.results.write_bytes(msgspec.json.encode(run.answers))


class Buyer(FastHttpUser):
    """One person with one intention."""

    network_timeout = ANSWER_TIMEOUT_S
    connection_timeout = ANSWER_TIMEOUT_S
    max_redirects = 0
    max_retries = 0

    def on_start(self) -> None:
        if run.plan is None:
            raise StopUser("name a plan with --plan; `stampede loadtest prepare` writes one")
        self.number = next(run.numbers)
        if self.number >= len(run.plan.tokens):
            raise StopUser()
        a, rest = divmod(self.number, 65_536)
        self.headers = {
            "Authorization": f"Bearer {run.plan.tokens[self.number]}",
            "X-Forwarded-For": f"10.{a + 1}.{rest // 256}.{rest % 256}",
            "X-Request-ID": f"sale-{self.number}",
        }
        self._look(run.plan)

    def _look(self, plan: Plan) -> None:
        """Looks at the session while waiting, as buyers do: the connection is there when it opens."""
        if time.time() < plan.opens_at:
            self.client.get(
                f"/api/v1/sessions/{plan.session_id}", headers=self.headers, name="look"
            )

    @task
    def buy(self) -> None:
        assert run.plan is not None
        gevent.sleep(max(0.0, run.plan.opens_at - time.time()))
        try:
            order_id = self._order(run.plan)
            if order_id:
                self._pay(order_id)
        finally:
            run.done += 1
        raise StopUser()

    def _order(self, plan: Plan) -> str:
        body = {
            "session_id": str(plan.session_id),
            "seat_area_id": str(plan.area_id),
            "quantity": random.randint(1, plan.tickets_per_buyer_max),
        }
        headers = self.headers | {"Idempotency-Key": f"sale-{self.number}"}
        answer = self._until_answered("order", "/api/v1/orders", body, headers)
        return answer.get("order_id", "")

    def _pay(self, order_id: str) -> None:
        body = {"payment_method": "alipay", "payment_token": "tok_ok"}
        headers = self.headers | {"Idempotency-Key": f"pay-{self.number}"}
        self._until_answered("pay", f"/api/v1/orders/{order_id}/pay", body, headers)

    def _until_answered(self, call: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        """Tries again on 429, 503 and a sale not open yet, after the time it was told to wait."""
        assert run.plan is not None
        for _ in range(TRIES_MAX):
            started = time.perf_counter()
            with self.client.post(
                path, json=body, headers=headers, name=call, catch_response=True
            ) as response:
                document = _document(response)
                code = document.get("code", "")
                response.success()  # a refusal is an answer; the verification judges
                status = response.status_code or 0
                latency_ms = (time.perf_counter() - started) * 1000
                at_s = time.time() - run.plan.opens_at
                run.answers.append(Answer(at_s, call, status, code, latency_ms))
            again = status in {0, 429, 503} or code in {"sale-not-open", "idempotency-in-flight"}
            if not again or at_s > GIVE_UP_AFTER_S:
                return document
            wait = float((response.headers or {}).get("Retry-After", 1)) if status else 1.0
            gevent.sleep((min(wait, 5.0) if code != "sale-not-open" else 0.05) + random.random())
        return {}


def _document(response: Any) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(response.content or b"{}")
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
