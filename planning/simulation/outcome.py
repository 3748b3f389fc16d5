"""What a simulation is given, and what it finds."""

import msgspec


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """The machines. `shared_cores`: everything is on one machine with so many. `generator_us`: of a load
    generator on it, for each answer."""

    web: int  # processes of gateway, catalog and booking
    gateways: int  # of them those that admit
    postgres: int  # cores
    shards: int  # on which the sessions of this sale lie
    workers: int = 1
    identity: int = 1  # cores that hash passwords
    shared_cores: float | None = None
    generator_us: float = 0.0
    apart: bool = False


class Part(msgspec.Struct, frozen=True):
    """One kind of program: CPU seconds, the share of its threads' time until everybody knew, and the most
    that were in it at once."""

    cpu_s: float
    utilisation: float
    queue_max: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds after the opening; None: it did not come to that."""

    orders: int
    sold: int  # seats that were paid
    unsold: int
    back: int  # of them seats whose orders ran out unpaid
    first_order_s: float | None
    sold_out_s: float | None  # no seat was free
    last_answer_s: float  # the last of those who ask knows
    unanswered: int  # refused again and again until the simulation ended
    answered_p50_s: float
    answered_p99_s: float
    last_mail_s: float | None
    last_receipt_s: float | None  # of a paid order
    mails: int
    mails_left: int
    answers: dict[str, int]
    served_p50_ms: float
    served_p99_ms: float
    refused_p50_ms: float
    refused_p99_ms: float
    all_p50_ms: float
    all_p99_ms: float
    parts: dict[str, Part]
    inside_s: dict[str, tuple[float, float]]  # person-seconds in a station, counted in both ways
    events: int

    def share(self, status: str) -> float:
        return self.answers.get(status, 0) / max(1, sum(self.answers.values()))
