"""The sale as it goes through the platform.

Every person asks for an order until they have an answer that is final: 201 with seats, or 409 because there
are none. The gateway admits as gateway/protection/admission.py does: so many places, a queue as long as is
served within 80 ms, and 503 with a Retry-After that spreads those who come back.
"""

import math
import random

from booking.orders.placing import BATCH_MAX
from chassis.events.relay import GATHER_S
from chassis.settings import Settings
from gateway.protection.admission import LAG_MAX_S, LAG_PERSISTS_S
from planning.demand import Sale
from planning.simulation.admission import Admission
from planning.simulation.kernel import Calendar, Cores, Group, Station, spread
from planning.simulation.mails import Mails
from planning.simulation.outcome import Capacity, Outcome, Part
from planning.simulation.tally import Tally
from planning.work import Work

COMMIT_S = 0.002  # a synced commit takes so long without a processor
ROBOT_RATE, ROBOT_ALLOWED = 20.0, 10.0  # requests a second of one, and what its limit lets through
SLOTS = 16  # into which people who come back together are spread
STEPS_MAX = 20_000  # moments at which people ask again: bounds the time that a simulation takes
ARRIVALS_MAX = 10_000  # moments at which new people come
END_S = 3 * 3600.0  # what is not done by then is said to be left


def simulate(
    sale: Sale, work: Work, capacity: Capacity, settings: Settings | None = None
) -> Outcome:
    """Runs the sale to its end."""
    return _Run(sale, work, capacity, settings or Settings()).outcome()


class _Run:
    def __init__(self, sale: Sale, work: Work, capacity: Capacity, settings: Settings) -> None:
        self.hold_ttl_s = settings.hold_ttl_s
        self.sale, self.work, self.capacity = sale, work, capacity
        self.random = random.Random(sale.seed)
        self.calendar = Calendar()
        self.step_s = max(0.002, sale.seconds / STEPS_MAX)
        self.robots_s = sale.seconds / ARRIVALS_MAX
        cores = Cores(capacity.shared_cores) if capacity.shared_cores else None
        self.generator = Station(
            self.calendar, work=self._generate, done=self._generated, cores=cores,
            batch_max=64, round_s=0.0,
        )  # fmt: skip
        self.web = Station(
            self.calendar, work=self._web_work, done=self._web_done, servers=capacity.web,
            round_s=self.step_s, cores=cores,
        )  # fmt: skip
        self.redis = Station(
            self.calendar, work=self._redis_work, done=self._redis_done, servers=capacity.shards,
            round_s=self.step_s / 4, cores=cores,
        )  # fmt: skip
        self.postgres = Station(
            self.calendar, work=self._postgres_work, done=self._postgres_done,
            servers=min(capacity.postgres, capacity.web), batch_max=BATCH_MAX * capacity.web,
            pause_s=COMMIT_S, round_s=self.step_s / 4, cores=cores,
        )  # fmt: skip
        self.relay = Station(
            self.calendar, work=self._relay_work, done=_nothing, round_s=GATHER_S, cores=cores
        )
        self.identity = Station(
            self.calendar, work=self._login_work, done=self._logged_in, servers=capacity.identity,
            batch_max=max(1, capacity.identity) * 4, round_s=self.step_s, cores=cores,
        )  # fmt: skip
        self.admission = Admission(capacity.gateways, settings)
        self.mails = Mails(self.calendar, sale.pay_share, capacity.workers)
        self.seats_left = sale.seats
        self.sold = self.back = self.orders = 0
        self.sold_out = False
        self.tally = Tally()
        self.busy_then: dict[str, float] = {}
        self._carry: dict[str, float] = {}
        self._coming: dict[tuple[int, str], int] = {}
        self._lag_since: float | None = None

    def outcome(self) -> Outcome:
        self._open()
        self.calendar.run(END_S)
        parts = {name: self._part(name, station) for name, station in self._stations().items()}
        heard = self.tally
        return Outcome(
            orders=self.orders,
            sold=self.sold,
            unsold=self.sale.seats - self.sold,
            back=self.back,
            first_order_s=heard.first_order_s,
            sold_out_s=heard.last_order_s if self.sold_out else None,
            last_answer_s=heard.last_answer_s,
            unanswered=self.sale.people - heard.known.count,
            answered_p50_s=heard.known.at(50),
            answered_p99_s=heard.known.at(99),
            last_mail_s=self.mails.last_s,
            last_receipt_s=self.mails.last_receipt_s,
            mails=self.mails.sent,
            mails_left=self.mails.left,
            answers=dict(sorted(heard.answers.items())),
            served_p50_ms=heard.served.at(50) * 1000,
            served_p99_ms=heard.served.at(99) * 1000,
            refused_p50_ms=heard.refused.at(50) * 1000,
            refused_p99_ms=heard.refused.at(99) * 1000,
            all_p50_ms=heard.every.at(50) * 1000,
            all_p99_ms=heard.every.at(99) * 1000,
            parts=parts,
            inside_s={
                name: (round(one.area_s, 3), round(one.spent_s, 3))
                for name, one in self._stations().items()
            },
            events=self.calendar.events,
        )

    def _stations(self) -> dict[str, Station]:
        every = {
            "web": self.web, "redis": self.redis, "postgres": self.postgres, "relay": self.relay,
            "identity": self.identity, "generator": self.generator,
        }  # fmt: skip
        return {name: one for name, one in every.items() if one.served}

    def _part(self, name: str, station: Station) -> Part:
        busy = self.busy_then.get(name, 0.0)
        return Part(
            round(station.busy_s, 3),
            min(1.0, busy / max(self.tally.last_answer_s, 1e-9) / station.servers),
            station.most,
        )

    # Who comes, and when.

    def _open(self) -> None:
        sale = self.sale
        rush = round(sale.people * sale.at_opening)
        for when, count in spread(self.random, rush, 0.0, sale.opening_s, ARRIVALS_MAX):
            self._come(when, "order", count)
        late = spread(self.random, sale.people - rush, sale.opening_s, sale.seconds, ARRIVALS_MAX)
        for when, count in late:
            self._come(when, "late", count)
        if sale.robots:
            self.calendar.at(0.0, self._robots)

    def _come(self, when: float, kind: str, count: int) -> None:
        """Those who come at one instant are one event."""
        slot = math.ceil(when / self.step_s)
        if (slot, kind) in self._coming:
            self._coming[slot, kind] += count
            return
        self._coming[slot, kind] = count
        self.calendar.at(slot * self.step_s, lambda: self._came(slot, kind))

    def _came(self, slot: int, kind: str) -> None:
        count = self._coming.pop((slot, kind))
        if kind == "late":
            if self.sale.reads:
                self._ask("read", count * self.sale.reads)
            logins = self._whole("login", count * self.sale.login_share)
            if logins:
                self.identity.arrive(Group("login", logins, self.calendar.now))
            count -= logins
            kind = "order"
        if count:
            self._ask(kind, count)

    def _ask(self, kind: str, count: int) -> None:
        group = Group(kind, count, self.calendar.now)
        if self.capacity.generator_us:
            self.generator.arrive(group)
        else:
            self.web.arrive(group)

    def _robots(self) -> None:
        """Until the end, at an even rate: what their limit lets through, and what it does not."""
        for kind, rate in (("robot", ROBOT_ALLOWED), ("limited", ROBOT_RATE - ROBOT_ALLOWED)):
            count = self._whole(kind, self.sale.robots * rate * self.robots_s)
            if count:
                self._ask(kind, count)
        if self.calendar.now < self.sale.seconds:
            self.calendar.at(self.calendar.now + self.robots_s, self._robots)

    def _whole(self, what: str, amount: float) -> int:
        """A whole number now, and the rest carried to the next time."""
        amount += self._carry.get(what, 0.0)
        whole = int(amount)
        self._carry[what] = amount - whole
        return whole

    # The load generator of a test: half of an answer's cost is in sending.

    def _generate(self, batch: list[Group]) -> float:
        return sum(group.count for group in batch) * self.capacity.generator_us / 2e6

    def _generated(self, batch: list[Group]) -> None:
        for group in batch:
            if group.kind.startswith("answer "):
                self._heard(group)
            else:
                self.web.arrive(group)

    # The web processes.

    def _web_work(self, batch: list[Group]) -> float:
        """Admits or refuses whoever came, in their order, and says what that costs."""
        now, spent_us = self.calendar.now, 0.0
        behind = self._is_behind(now)
        costs = {
            "read": self.work.read.web, "order": self.work.order.web, "pay": self.work.pay.web,
            "robot": self.work.sold_out.web,
        }  # fmt: skip
        if self.seats_left <= 0:
            costs["order"] = self.work.sold_out.web
        apart_us = 2 * self.work.apart_us if self.capacity.apart else 0.0
        refused: list[Group] = []
        for group in batch:
            if group.kind == "limited":
                spent_us += group.count * self.work.limited.web
                continue
            room = 0 if behind and group.kind != "pay" else self.admission.room(group.kind, now)
            if room < group.count:
                part = group if room <= 0 else group.split(group.count - room)
                spent_us += part.count * self.work.refused.web
                self.admission.refuse(part.count, now)
                refused.append(Group(f"503 {part.kind}", part.count, part.asked_at, part.seats))
                refused[-1].came_at = part.came_at
                if part is group:
                    group.count = 0
                    continue
            self.admission.enter(group.kind, group.count)
            spent_us += group.count * apart_us
            spent_us += group.count * costs[group.kind]
        batch[:] = [group for group in batch if group.count] + refused
        return spent_us / 1e6

    def _is_behind(self, now: float) -> bool:
        """The event loop's lag, as admission measures it: too long, and for too long. Those who come within
        a step are simulated as one round, which is no lag."""
        if self.web.last_round_s <= LAG_MAX_S + self.step_s:
            self._lag_since = None
            return False
        if self._lag_since is None:
            self._lag_since = now
        return now - self._lag_since >= LAG_PERSISTS_S

    def _web_done(self, batch: list[Group]) -> None:
        for group in batch:
            if group.kind.startswith("503"):
                self._answer(group, "503", group.kind[4:])
            elif group.kind == "limited":
                self._answer(group, "429", "")
            elif group.kind == "read":
                self.admission.leave("read", group.count, self.calendar.now)
                self._answer(group, "200", "")
            else:
                self.redis.arrive(group)

    # Redis and PostgreSQL.

    def _redis_work(self, batch: list[Group]) -> float:
        costs = {
            "order": (self.work.order if self.seats_left > 0 else self.work.sold_out).redis,
            "pay": self.work.pay.redis,
            "robot": self.work.sold_out.redis,
        }
        return sum(group.count * costs[group.kind] for group in batch) / 1e6

    def _redis_done(self, batch: list[Group]) -> None:
        for group in batch:
            if group.kind == "pay":
                self.postgres.arrive(group)
                continue
            if group.kind == "order" and self.seats_left > 0:
                held = self._hold(group)
                if held is not None:
                    self.postgres.arrive(held)
            if group.count:
                self.admission.leave(group.kind, group.count, self.calendar.now)
                self._answer(group, "409", "final" if group.kind == "order" else "")

    def _hold(self, group: Group) -> Group | None:
        """Takes seats for as many of them as there are seats for."""
        a_seats = self.sale.seats_an_order
        orders = min(group.count, max(1, math.ceil(self.seats_left / a_seats)))
        seats = min(self.seats_left, max(orders, self._whole("seats", orders * a_seats)))
        orders = min(orders, seats)
        if not orders:
            return None
        held = Group("order", orders, group.asked_at, seats)
        group.count -= orders
        self.seats_left -= seats
        self.sold_out = self.sold_out or not self.seats_left
        return held

    def _postgres_work(self, batch: list[Group]) -> float:
        orders = sum(group.count for group in batch if group.kind == "order")
        pays = sum(group.count for group in batch) - orders
        statements = min(orders, self.capacity.web)
        spent_us = statements * self.work.statement_us + orders * self.work.order_in_statement_us
        return (spent_us + pays * self.work.pay.postgres) / 1e6

    def _postgres_done(self, batch: list[Group]) -> None:
        now = self.calendar.now
        for group in batch:
            self.admission.leave(group.kind, group.count, now)
            self.relay.arrive(Group(group.kind, group.count, now))
            self.mails.due(group.kind, group.count)
            if group.kind == "order":
                self.orders += group.count
                self._later(group)
                self._answer(group, "201", "final")
            else:
                self.sold += group.seats
                self._answer(group, "200", "paid")

    def _later(self, group: Group) -> None:
        """Those with an order pay after a while, or let it lapse."""
        paying = self._whole("paying", group.count * self.sale.pay_share)
        paying = min(paying, group.count)
        seats = group.seats * paying // group.count
        lapsing, lapsing_seats = group.count - paying, group.seats - seats
        if lapsing:
            until = self.calendar.now + self.hold_ttl_s
            self.calendar.at(until, lambda: self._lapse(lapsing, lapsing_seats))
        if not paying:
            return
        longest = 2 * self.sale.pay_after_s
        for when, count in spread(self.random, paying, 0.0, longest, SLOTS):
            part, seats = seats * count // paying, seats - seats * count // paying
            paying -= count
            self._pay_at(self.calendar.now + when, count, part)

    def _pay_at(self, when: float, count: int, seats: int) -> None:
        def pay() -> None:
            self._pay(count, seats)

        self.calendar.at(when, pay)

    def _pay(self, count: int, seats: int) -> None:
        group = Group("pay", count, self.calendar.now, seats)
        (self.generator if self.capacity.generator_us else self.web).arrive(group)

    def _lapse(self, orders: int, seats: int) -> None:
        self.seats_left += seats
        self.back += seats
        self.mails.due("lapse", orders)

    # The worker, and logins.

    def _relay_work(self, batch: list[Group]) -> float:
        costs = {"order": self.work.relay_us, "pay": self.work.pay_relay_us}
        return sum(group.count * costs[group.kind] for group in batch) / 1e6

    def _login_work(self, batch: list[Group]) -> float:
        return sum(group.count for group in batch) * self.work.login.web / 1e6

    def _logged_in(self, batch: list[Group]) -> None:
        for group in batch:
            self.tally.count("200", group.count)
            self._ask("order", group.count)

    # Answers.

    def _answer(self, group: Group, status: str, then: str) -> None:
        answered = Group(f"answer {status} {then}", group.count, group.asked_at, group.seats)
        if self.capacity.generator_us:
            self.generator.arrive(answered)
        else:
            self._heard(answered)

    def _heard(self, group: Group) -> None:
        _, status, then = group.kind.split(" ", 2)
        self.tally.hear(group, status, self.calendar.now, final=then == "final")
        if then == "final":
            self.busy_then = {name: one.busy_s for name, one in self._stations().items()}
        elif status == "503" and then not in {"robot", "read"}:
            self._come_back(group, then)

    def _come_back(self, group: Group, kind: str) -> None:
        now = self.calendar.now
        last_s = now + self.admission.retry_after_s(now) + 1.0  # and a second of their own
        shares = list(spread(self.random, group.count, now + 1.0, last_s, SLOTS))
        if kind == "order":
            for when, count in shares:
                self._come(when, kind, count)
            return
        seats, left = group.seats, group.count
        for when, count in shares:
            part = seats * count // left
            seats, left = seats - part, left - count
            self._pay_at(when, count, part)


def _nothing(_: list[Group]) -> None:
    """Events that are relayed are done."""
