"""Go and no-go, the first limit, and what people saw."""

from uuid import UUID

import msgspec
import pytest

from loadtest.answers import Answer, Crowd
from loadtest.plan import Person, Plan
from loadtest.rehearsal.findings import Findings, Stored, find
from loadtest.rehearsal.report import first_limit, generator_line
from loadtest.rehearsal.watching import Sample, Watch, most_waiting

STORED = Stored(seats=2, orders=1, paid=1, sold=2, held=0, twice=0, audit=[], callbacks=[0.2] * 20)
QUIET = Watch(2, 2, [Sample(1.0, {"web": 0.5}, 0.5)])


def plan(people: int) -> Plan:
    crowd = [Person(0.5, 2, [0], 0.1, "tok_ok") for _ in range(people)]
    nobody = UUID(int=0)
    return Plan("http://x", nobody, nobody, 2, 2, 0.0, [""] * people, people=crowd)


def answer(
    at_s: float, call: str, status: int, code: str = "", *, ms: float = 10, buyer: int = 0
) -> Answer:
    return Answer(at_s, call, status, code, ms, buyer)


GOOD = [
    answer(1.0, "order", 201),
    answer(1.5, "pay", 200),
    answer(1.1, "order", 409, "sold-out", buyer=1),
]


def found(
    answers: list[Answer] | None = None,
    stored: Stored = STORED,
    seen: Watch = QUIET,
    busy: list[tuple[float, float]] | None = None,
    people: int = 2,
) -> Findings:
    return find(
        plan(people), Crowd(GOOD if answers is None else answers, busy=busy or []), seen, stored
    )


def missed(one: Findings) -> list[str]:
    return [objective.name for objective in one.objectives if objective.kept is False]


def test_a_good_sale_is_a_go_and_says_when_it_was_sold_out() -> None:
    one = found()
    assert one.go
    assert one.sold_out_s == 1.0


def test_seats_that_are_left_are_not_sold_out() -> None:
    assert found(stored=msgspec.structs.replace(STORED, seats=3)).sold_out_s is None


@pytest.mark.parametrize(
    ("answers", "stored", "name"),
    [
        ([*GOOD, *[answer(2, "order", 201, ms=201)] * 9], {"orders": 10}, "orders, p95"),
        ([*GOOD, answer(2, "order", 409, "sold-out", ms=501)], {}, "orders, p99"),
        ([*GOOD, answer(2, "show", 500, "internal-error")], {}, "answers that failed"),
        ([*GOOD, answer(2, "show", 0)], {}, "answers that failed"),
        ([*GOOD, answer(2, "order", 503, "unavailable")], {}, "holds decided"),
        (GOOD, {"callbacks": [6.0] * 20}, "callbacks, p95"),
        (GOOD, {"twice": 1}, "nobody oversold"),
        (GOOD, {"sold": 3}, "nobody oversold"),
        (GOOD, {"orders": 0}, "nobody oversold"),
        (GOOD, {"paid": 0}, "nobody oversold"),
        (GOOD, {"audit": ["seats_sold_once: seat 3"]}, "audit"),
    ],
)
def test_each_objective_that_is_missed_is_a_no_go(
    answers: list[Answer], stored: dict[str, object], name: str
) -> None:
    one = found(answers, msgspec.structs.replace(STORED, **stored))
    assert not one.go
    assert name in missed(one)


def test_who_was_asked_to_come_again_is_refused_and_no_failure() -> None:
    again = [answer(1.2, "order", 503, "overloaded"), answer(1.3, "order", 429, "rate-limited")]
    one = found([*GOOD, *again])
    assert one.go
    assert (one.people.shed, one.people.limited) == (1, 1)


def test_what_was_not_there_to_be_measured_is_no_miss() -> None:
    one = found(stored=msgspec.structs.replace(STORED, callbacks=[]))
    assert {each.name: each.kept for each in one.objectives}["callbacks, p95"] is None
    assert one.go


def test_the_first_limit_is_the_earliest() -> None:
    seen = Watch(
        2,
        4,
        [
            Sample(1.0, {"web": 1.0, "redis": 0.2}, 0.5),
            Sample(2.0, {"web": 1.9, "redis": 0.2}, 0.6),
            Sample(3.0, {"web": 1.9, "redis": 0.95}, 0.7, pool=4),
        ],
    )
    one = found([*GOOD, answer(2.5, "order", 503, "overloaded")], seen=seen)
    assert [limit.name for limit in one.limits] == [
        "CPU of the web processes",
        "admission",
        "CPU of Valkey",
        "database pool",
    ]
    assert first_limit(one).startswith("First limit: CPU of the web processes at 2.0 s")


def test_nothing_at_its_end_is_no_limit() -> None:
    assert first_limit(found()) == "First limit: none was met"


def test_a_generator_at_the_end_of_its_core_says_so() -> None:
    one = found(busy=[(1.0, 0.3), (2.0, 0.96)])
    assert one.generator_limited
    assert "IT WAS ITSELF THE LIMIT" in generator_line(one)
    assert one.limits[0].name == "load generator"
    assert "It was not the limit" in generator_line(found(busy=[(1.0, 0.3)]))


def test_a_heavy_generator_on_a_full_machine_is_a_limit_too() -> None:
    full = Watch(2, 2, [Sample(1.0, {"web": 1.2}, 1.0)])
    assert found(seen=full, busy=[(1.0, 0.6)]).generator_limited
    assert not found(seen=full, busy=[(1.0, 0.1)]).generator_limited


def test_what_other_programs_used_while_seats_were_sold_is_told_apart() -> None:
    seen = Watch(2, 2, [Sample(1.0, {"web": 0.5}, 0.9), Sample(9.0, {"web": 0.0}, 0.0)])
    assert found(seen=seen, busy=[(1.0, 0.3)]).others_cores == pytest.approx(1.0)


def test_everybody_ends_in_one_way() -> None:
    answers = [
        *GOOD,
        answer(1.0, "order", 201, buyer=2),
        answer(1.0, "order", 201, buyer=3),
        answer(1.2, "pay", 202, buyer=3),
        answer(1.0, "order", 201, buyer=4),
        answer(1.2, "pay", 402, "payment-declined", buyer=4),
        answer(1.0, "order", 409, "ticket-limit-reached", buyer=5),
        answer(1.0, "order", 503, "overloaded", buyer=6),
    ]
    people = found(answers, people=8).people
    counts = (people.tickets, people.processing, people.reserved, people.payment_failed)
    assert counts == (1, 1, 1, 1)
    assert (people.sold_out, people.refused, people.never_told) == (1, 1, 2)
    assert people.wait_p50_s == pytest.approx(0.5)


def test_the_pools_own_word_is_read_from_the_metrics() -> None:
    text = (
        'stampede_database_pool_waiting{pool="booking"} 3.0\n'
        'stampede_database_pool_waiting{pool="catalog"} 0.0\nstampede_other 9.0\n'
    )
    assert most_waiting(text) == 3
    assert most_waiting("") == 0
