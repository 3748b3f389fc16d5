"""Buyers of a flash sale, for locust.

Headless from `stampede loadtest flash-sale`, or with locust's web page (as many users as the plan has):

    stampede loadtest prepare --users 1000 --tickets 100 --plan /tmp/plan.json
    locust -f loadtest/locustfile.py --plan /tmp/plan.json

Every buyer has its own token and address (X-Forwarded-For; the platform must trust this machine as a
proxy). It waits for the opening, orders one or two tickets, retries after 429 and 503 as told, and pays for
its tickets. Tries and time are bounded. Buyers connect and prepare their requests before the opening (see
loadtest/line.py).
"""

import itertools
import random
import time
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust import User, events, task
from locust.exception import StopUser

from loadtest.answers import Answer, Crowd
from loadtest.line import Line, Reply, address_of, request_of
from loadtest.plan import Plan

TRIES_MAX = 20
ANSWER_TIMEOUT_S = 30.0
PROGRESS_INTERVAL_S = 1.0
WAIT_S = 1.0  # if no time was given
NOT_OPEN_WAIT_S = 0.05


class Run:
    """What all buyers of this process share."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.results: Path | None = None
        self.numbers = itertools.count()
        self.answers: list[Answer] = []
        self.done = 0
        self.address = ("", 0)
        self.cpu_at_opening_s: float | None = None
        self.busy: list[tuple[float, float]] = []


run = Run()


@events.init_command_line_parser.add_listener
def _arguments(parser: Any) -> None:
    parser.add_argument(
        "--plan", type=str, default="", help="File written by `stampede loadtest prepare`."
    )
    parser.add_argument("--results", type=str, default="", help="File to write every response to.")


@events.init.add_listener
def _read_plan(environment: Any, **_: Any) -> None:
    options = environment.parsed_options
    if options.plan:
        run.plan = Plan.read(Path(options.plan))
        environment.host = run.plan.base_url
        run.address = address_of(run.plan.base_url)
        gevent.spawn(_note_the_opening, run.plan.opens_at)
    run.results = Path(options.results) if options.results else None
    if run.results is not None:
        gevent.spawn(_progress, environment)


def _note_the_opening(opens_at: float) -> None:
    """From then on also how busy this process is, second by second."""
    gevent.sleep(max(0.0, opens_at - time.time()))
    run.cpu_at_opening_s = time.process_time()
    while True:
        before_s, began = time.process_time(), time.perf_counter()
        gevent.sleep(PROGRESS_INTERVAL_S)
        share = (time.process_time() - before_s) / (time.perf_counter() - began)
        run.busy.append((time.time() - opens_at, share))


def _progress(environment: Any) -> None:
    """Prints a line per second, and ends the run once every buyer has had a final answer."""
    assert run.plan is not None
    buyers = len(run.plan.tokens)
    while True:
        gevent.sleep(PROGRESS_INTERVAL_S)
        left = run.plan.opens_at - time.time()
        phase = f"opens in {left:.0f} s" if left > 0 else f"open for {-left:.0f} s"
        count = environment.runner.user_count if environment.runner else 0
        print(f"  {phase}: {count} waiting, {run.done} of {buyers} served", flush=True)
        if run.done >= buyers or left < -run.plan.give_up_after_s - ANSWER_TIMEOUT_S:
            environment.runner.quit()
            return


@events.quitting.add_listener
def _write_results(**_: Any) -> None:
    if run.results is not None:
        cpu_s = time.process_time()
        before_s = cpu_s if run.cpu_at_opening_s is None else run.cpu_at_opening_s
        crowd = Crowd(run.answers, cpu_s=cpu_s, cpu_since_opening_s=cpu_s - before_s, busy=run.busy)
        run.results.write_bytes(msgspec.json.encode(crowd))


class Buyer(User):
    """One buyer."""

    def on_start(self) -> None:
        if run.plan is None:
            raise StopUser("name a plan with --plan; `stampede loadtest prepare` writes one")
        self.number = next(run.numbers)
        if self.number >= len(run.plan.tokens):
            raise StopUser()
        self.line = Line(run.address, ANSWER_TIMEOUT_S)
        a, rest = divmod(self.number, 65_536)
        self.headers = {
            "Host": f"{run.address[0]}:{run.address[1]}",
            "Authorization": f"Bearer {run.plan.tokens[self.number]}",
            "X-Forwarded-For": f"10.{a + 1}.{rest // 256}.{rest % 256}",
            "X-Request-ID": f"sale-{self.number}",
        }
        self.order = self._order_of(run.plan)
        self._look(run.plan)

    def on_stop(self) -> None:
        if hasattr(self, "line"):
            self.line.close()

    def _order_of(self, plan: Plan) -> bytes:
        body = {
            "session_id": str(plan.session_id),
            "seat_area_id": str(plan.area_id),
            "quantity": random.randint(1, plan.tickets_per_buyer_max),
        }
        headers = self.headers | {"Idempotency-Key": f"sale-{self.number}"}
        return request_of("POST", "/api/v1/orders", headers, msgspec.json.encode(body))

    def _look(self, plan: Plan) -> None:
        """Reads the session while waiting, as buyers do, so the connection is open at the opening."""
        if time.time() < plan.opens_at:
            self.line.ask(request_of("GET", f"/api/v1/sessions/{plan.session_id}", self.headers))

    @task
    def buy(self) -> None:
        assert run.plan is not None
        gevent.sleep(max(0.0, run.plan.opens_at - time.time()))
        try:
            order_id = self._until_answered("order", self.order, run.plan).order_id
            if order_id:
                self._until_answered("pay", self._payment_of(order_id), run.plan)
        finally:
            run.done += 1
        raise StopUser()

    def _payment_of(self, order_id: str) -> bytes:
        body = b'{"payment_method":"alipay","payment_token":"tok_ok"}'
        headers = self.headers | {"Idempotency-Key": f"pay-{self.number}"}
        return request_of("POST", f"/api/v1/orders/{order_id}/pay", headers, body)

    def _until_answered(self, call: str, request: bytes, plan: Plan) -> Reply:
        """Retries on 429, 503 and a sale that is not open yet, after the time given."""
        reply = Reply()
        for _ in range(TRIES_MAX):
            started = time.perf_counter()
            reply = self.line.ask(request)
            latency_ms = (time.perf_counter() - started) * 1000
            at_s = time.time() - plan.opens_at
            self._note(Answer(at_s, call, reply.status, reply.code, latency_ms, self.number))
            not_open = reply.code == "sale-not-open"
            again = reply.status in {0, 429, 503} or not_open
            if not (again or reply.code == "idempotency-in-flight") or at_s > plan.give_up_after_s:
                return reply
            wait_s = NOT_OPEN_WAIT_S if not_open else reply.retry_after_s or WAIT_S
            gevent.sleep(wait_s + random.random())
        return reply

    def _note(self, answer: Answer) -> None:
        """For the results, and for locust's own table. A refusal counts as an answer; the verification
        judges it."""
        run.answers.append(answer)
        self.environment.events.request.fire(
            request_type="POST", name=answer.call, response_time=answer.latency_ms,
            response_length=0, exception=None if answer.status else ConnectionError("no answer"),
            context={},
        )  # fmt: skip
