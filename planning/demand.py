"""The question: the people, the seats and the habits of a sale."""

import msgspec

from booking.domain.order import SEATS_PER_ORDER_MAX

PEOPLE_MAX = 20_000_000
SEATS_MAX = 200_000  # of a session: catalog refuses larger plans
SESSIONS_MAX = 10_000
MINUTES_MAX = 120.0  # beyond it a sale is no rush, and its simulation too coarse


class PlanError(Exception):
    """The question has no answer. The message is one sentence."""


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked. Shares are from 0 to 1; a share of people arrives within `rush_s` of the opening, the
    others evenly until the end. `minutes`: until everybody shall know whether they have seats."""

    people: int
    seats: int
    minutes: float = 10.0
    sessions: int = 1
    seats_an_order: float = 2.0
    pay_share: float = 0.9
    pay_after_s: float = 60.0  # how long people take to pay, in the mean
    at_opening: float = 0.5
    rush_s: float = 10.0
    reads: int = 3  # pages' requests of a person before they order
    look_minutes: float = 10.0  # before the opening, in which those of the rush read
    login_share: float = 0.1  # the others have logged in on an earlier day
    robots: int = 0  # clients that ask twenty times a second, whatever they are told
    sell_within_s: float = 10.0  # machines are for all seats within so long, if shards allow it
    headroom: float = 0.3
    cores: int = 16  # of a machine
    max_connections: int = 500
    old_orders: int = 10_000_000
    seed: int = 1

    def check(self) -> None:
        """Raises PlanError with all that is wrong."""
        wrong = [
            f"--{name} must be {said}"
            for name, good, said in (
                ("people", 1 <= self.people <= PEOPLE_MAX, f"from 1 to {PEOPLE_MAX:,}"),
                (
                    "seats",
                    1 <= self.seats <= SEATS_MAX * self.sessions,
                    f"from 1 to {SEATS_MAX:,} for each session",
                ),
                (
                    "minutes",
                    0 < self.minutes <= MINUTES_MAX,
                    f"above 0 and at most {MINUTES_MAX:,.0f}",
                ),
                ("sessions", 1 <= self.sessions <= SESSIONS_MAX, f"from 1 to {SESSIONS_MAX:,}"),
                (
                    "seats-an-order",
                    1 <= self.seats_an_order <= SEATS_PER_ORDER_MAX,
                    f"from 1 to {SEATS_PER_ORDER_MAX}",
                ),
                ("pay-share", 0 <= self.pay_share <= 1, "from 0 to 1"),
                ("pay-after", 0 < self.pay_after_s <= 900, "above 0 and at most 900 seconds"),
                ("at-opening", 0 <= self.at_opening <= 1, "from 0 to 1"),
                ("rush", 0 < self.rush_s <= 600, "above 0 and at most 600 seconds"),
                ("reads", 0 <= self.reads <= 1_000, "from 0 to 1,000"),
                (
                    "look-minutes",
                    0 < self.look_minutes <= MINUTES_MAX,
                    f"above 0 and at most {MINUTES_MAX:,.0f}",
                ),
                ("login-share", 0 <= self.login_share <= 1, "from 0 to 1"),
                ("robots", 0 <= self.robots <= 1_000_000, "from 0 to 1,000,000"),
                ("sell-within", 1 <= self.sell_within_s <= 3_600, "from 1 to 3,600 seconds"),
                ("headroom", 0 <= self.headroom <= 0.9, "from 0 to 0.9"),
                ("cores", 1 <= self.cores <= 512, "from 1 to 512"),
                ("max-connections", 10 <= self.max_connections <= 100_000, "from 10 to 100,000"),
                ("old-orders", 0 <= self.old_orders <= 10**11, "from 0 to 100,000,000,000"),
            )
            if not good
        ]
        if wrong:
            raise PlanError("; ".join(wrong) + ".")

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    @property
    def opening_s(self) -> float:
        """In which those of the opening come."""
        return min(self.rush_s, self.seconds)

    @property
    def orders(self) -> int:
        """Orders that take all seats, if there are people enough."""
        return min(self.people, max(1, round(self.seats / self.seats_an_order)))
