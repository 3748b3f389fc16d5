"""The people of a rehearsal, for locust: the buyers of the flash sale with habits of their own.

Each arrives when the curve says, reads the show, the session and the live seats, orders, tries another area
where one is sold out, then fewer seats, and pays at once, late or never. Their plan was drawn before.
"""

import random
import time

import gevent
import msgspec
from locust import task
from locust.exception import StopUser

from loadtest import locustfile as sale
from loadtest.line import Line, Reply, request_of
from loadtest.plan import Person, Plan
from loadtest.rehearsal.people import source_of

SOLD_OUT = "sold-out"


class RehearsalBuyer(sale.Buyer):
    """One person of the crowd."""

    def on_start(self) -> None:
        super().on_start()
        assert sale.run.plan is not None
        plan = sale.run.plan
        self.person: Person = plan.people[self.number]
        self.headers["X-Request-ID"] = f"{plan.tag}-{self.number}"
        if plan.from_loopback:
            self.line.close()
            self.line = Line(sale.run.address, sale.ANSWER_TIMEOUT_S, source_of(self.number))
            del self.headers["X-Forwarded-For"]

    def _look(self, plan: Plan) -> None:
        """They come when the curve says, not before the opening."""

    @task
    def buy(self) -> None:
        plan = sale.run.plan
        assert plan is not None
        gevent.sleep(max(0.0, plan.opens_at + self.person.arrives_s - time.time()))
        try:
            self._browse(plan)
            order_id = self._order_somewhere(plan)
            if order_id and self.person.pays_after_s is not None:
                gevent.sleep(self.person.pays_after_s)
                request = self._payment(order_id, plan)
                self._until_answered("pay", request, plan)
        finally:
            sale.run.done += 1
            self.line.close()
        raise StopUser()

    def _browse(self, plan: Plan) -> None:
        session = f"/api/v1/sessions/{plan.session_id}"
        for call, path in (
            ("show", f"/api/v1/shows/{plan.show_id}"),
            ("session", session),
            ("seats", f"{session}/seats"),
        ):
            self._until_answered(call, request_of("GET", path, self.headers), plan)

    def _order_somewhere(self, plan: Plan) -> str:
        """The order's id; empty if they got none. Sold out for two may still have one."""
        for seats in range(self.person.seats, 0, -1):
            for place in self.person.areas:
                reply = self._order(place, seats, plan)
                if reply.code != SOLD_OUT:
                    return reply.order_id
        return ""

    def _order(self, place: int, seats: int, plan: Plan) -> Reply:
        body = {
            "session_id": str(plan.session_id),
            "seat_area_id": str(plan.areas[place]),
            "quantity": seats,
        }
        key = f"{plan.tag}-{self.number}-{place}-{seats}"
        headers = self.headers | {"Idempotency-Key": key}
        request = request_of("POST", "/api/v1/orders", headers, msgspec.json.encode(body))
        return self._until_answered("order", request, plan)

    def _payment(self, order_id: str, plan: Plan) -> bytes:
        at_s, token = time.time() - plan.opens_at, self.person.token
        for fault in plan.faults:
            if fault.from_s <= at_s < fault.until_s and random.random() < fault.share:
                token = fault.token
        body = msgspec.json.encode({"payment_method": "alipay", "payment_token": token})
        headers = self.headers | {"Idempotency-Key": f"{plan.tag}-pay-{self.number}"}
        return request_of("POST", f"/api/v1/orders/{order_id}/pay", headers, body)
