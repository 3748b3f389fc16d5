"""Requests counted in the process: what is let in, what is reported, how far all may be over a limit."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.settings import Settings
from gateway.protection.counts import Counts
from gateway.protection.limits import Bucket, Policies, Policy
from tests.support.limits import DictStore, Process

SHARED = Policy("ip", 10.0, 16, unconfirmed_max=2)
EXACT = Policy("mail", 10.0, 3)
LAZY = Policy("ip", 10.0, 16, unconfirmed_max=1, untold_burst=1, untold_rate=1.0)
DO = ("take", "take", "take", "report", "arrive", "hear", "wait")
STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(DO)), max_size=200)


class House:
    """Some processes and their store."""

    def __init__(self, policy: Policy, processes: int) -> None:
        self.now_s = 100.0
        self.admitted = 0
        self.store = DictStore(policy)
        bucket = Bucket.of(policy, "a")
        self.processes = [Process(bucket, self.store, self._let_in) for _ in range(processes)]

    def _let_in(self) -> None:
        self.admitted += 1

    def step(self, number: int, do: str) -> None:
        process = self.processes[number % len(self.processes)]
        if do == "wait":
            self.now_s += 0.05
        elif do == "report":
            process.report()
        else:
            {"take": process.take, "arrive": process.arrive, "hear": process.hear}[do](self.now_s)

    def settle(self) -> None:
        for _ in range(2):  # the second time all have heard of all
            for process in self.processes:
                process.settle(self.now_s)


@given(st.integers(1, 4), st.sampled_from([SHARED, EXACT, LAZY]), STEPS)
def test_in_any_order_no_more_is_let_in_than_limit_and_error(
    processes: int, policy: Policy, steps: Sequence[tuple[int, str]]
) -> None:
    house = House(policy, processes)
    for step in steps:
        house.step(*step)
        seconds = house.now_s - 100.0
        limit = policy.burst + policy.rate * seconds
        untold = policy.untold_burst + policy.untold_rate * seconds
        assert house.admitted <= limit + processes * (policy.unconfirmed_max + untold) + 1e-6


@given(st.integers(1, 4), STEPS)
def test_redis_counts_what_was_let_in_once_and_after_silence_is_exact(
    processes: int, steps: Sequence[tuple[int, str]]
) -> None:
    house = House(SHARED, processes)
    for step in steps:
        house.step(*step)
    house.settle()
    assert house.store.counted == house.admitted
    house.now_s += max(0.0, house.store.arrival_s - house.now_s)
    before = house.admitted
    for _ in range(2 * SHARED.burst):
        house.step(0, "take")
        house.settle()
    assert house.admitted - before == SHARED.burst


@given(st.integers(1, 4), STEPS)
def test_redis_is_told_of_all_but_the_untold(
    processes: int, steps: Sequence[tuple[int, str]]
) -> None:
    house = House(LAZY, processes)
    for step in steps:
        house.step(*step)
    house.settle()
    untold = LAZY.untold_burst + LAZY.untold_rate * (house.now_s - 100.0)
    assert house.store.counted <= house.admitted
    assert house.admitted - house.store.counted <= processes * untold + 1e-6


def test_one_process_is_exact_though_redis_is_not_told_of_all() -> None:
    house = House(LAZY, 1)
    for _ in range(3 * LAZY.burst):
        house.step(0, "take")
        house.settle()
    assert house.admitted == LAZY.burst
    assert house.store.counted == LAZY.burst - LAZY.untold_burst


def test_a_bucket_that_is_seldom_asked_is_never_told_and_a_flood_is_told_at_once() -> None:
    counts, bucket = Counts(), Bucket.of(LAZY, "a")
    for second in range(100):
        assert counts.take(bucket, float(second)) is not None
        assert not counts.has_unreported
    assert counts.take(bucket, 99.5) is not None
    assert [reported for _, reported in counts.pick_unreported()] == [1]


def test_in_the_long_run_the_processes_of_a_node_exceed_the_rate_by_a_quarter_at_most() -> None:
    policy = Policies(Settings(workers=8)).ip
    house = House(policy, 8)
    for _ in range(1_200):  # a minute, in which all are asked for as much as they give
        for number in range(8):
            for _ in range(3):
                house.step(number, "take")
        house.settle()
        house.step(0, "wait")
    seconds = house.now_s - 100.0
    at_once = policy.burst + 8 * policy.burst / 8
    assert policy.rate * seconds < house.admitted <= policy.rate * 1.25 * seconds + at_once


def test_a_bucket_is_not_forgotten_while_what_it_was_not_told_of_counts() -> None:
    counts, bucket = Counts(), Bucket.of(LAZY, "a")
    counts.take(bucket, 0.0)
    counts.forget_full(1, 0.9)  # the limit's own bucket has been full again since 0.1
    counts.take(bucket, 0.9)
    assert counts.has_unreported
    counts = Counts()
    counts.take(bucket, 0.0)
    counts.forget_full(1, 1.0)
    assert len(counts) == 0


def test_the_error_is_repaid_before_anybody_is_let_in_again() -> None:
    """Every process lets in what it may unasked: all of that counts against the bucket."""
    house = House(SHARED, 4)
    for number in range(16):  # four asked, the others unasked
        house.step(number, "take")
    house.settle()
    for _ in range(16 + 8):
        for number in range(4):
            house.step(number, "take")
    owed_s = (house.admitted - SHARED.burst) / SHARED.rate
    house.settle()
    assert 0 < house.admitted - SHARED.burst <= 8
    assert house.store.arrival_s - house.now_s == pytest.approx(1.6 + owed_s)
    admitted = house.admitted
    while house.now_s < 100.0 + owed_s + 0.04:
        house.step(0, "wait")
        house.step(0, "take")
        house.settle()
    assert house.admitted - admitted <= 1


def test_an_exact_limit_asks_before_each_request_and_remembers_a_refusal() -> None:
    counts, bucket = Counts(), Bucket.of(EXACT, "a")
    assert counts.take(bucket, 0.0) is None
    count, reported = counts.pick(bucket, 0.0)
    assert reported == 0
    counts.confirmed(count, 0, 0.3, 0.0)
    standing = counts.take(bucket, 0.0)
    assert standing is not None
    assert (standing.left, standing.again_in_ms, standing.full_in_ms) == (0, 100, 300)
    assert counts.refusal(bucket, 0.09) is not None
    assert counts.take(bucket, 0.1) is None


def test_too_much_that_is_unconfirmed_asks_first_and_reports_with_it() -> None:
    counts, bucket = Counts(), Bucket.of(SHARED, "a")
    lefts = [counts.take(bucket, 0.0) for _ in range(2)]
    assert [one.left for one in lefts if one is not None] == [15, 14]
    assert counts.take(bucket, 0.0) is None
    count, reported = counts.pick(bucket, 0.0)
    assert (reported, counts.has_unreported) == (2, False)
    assert counts.take(bucket, 0.0) is None  # what is under way is not confirmed yet
    counts.confirmed(count, 2, 0.5, 0.0)
    standing = counts.take(bucket, 0.0)
    assert standing is not None
    assert standing.left == 10


def test_an_answer_does_not_undo_what_was_let_in_since_the_report() -> None:
    counts, bucket = Counts(), Bucket.of(Policy("ip", 10.0, 40, unconfirmed_max=5), "a")
    for _ in range(2):
        counts.take(bucket, 0.0)
    ((count, reported),) = counts.pick_unreported()
    counts.take(bucket, 0.0)
    counts.confirmed(count, reported, 1.0, 0.0)  # eight of others' among them
    standing = counts.take(bucket, 0.0)
    assert standing is not None
    assert standing.left == 40 - 10 - 2


def test_what_was_not_answered_is_reported_again_but_not_what_was_regained() -> None:
    counts, bucket = Counts(), Bucket.of(SHARED, "a")
    for _ in range(2):
        counts.take(bucket, 0.0)
    ((count, reported),) = counts.pick_unreported()
    assert reported == 2
    counts.unanswered(count, reported, 0.0)
    assert counts.take(bucket, 0.0) is None
    ((count, reported),) = counts.pick_unreported()
    assert reported == 2
    counts.unanswered(count, reported, 0.1)  # one of them has leaked out of the bucket
    ((count, reported),) = counts.pick_unreported()
    assert reported == 1
    counts.unanswered(count, reported, 60.0)
    assert not counts.has_unreported
    assert counts.take(bucket, 60.0) is not None


def test_without_redis_a_bucket_lets_a_burst_through_and_then_the_rate() -> None:
    counts, bucket = Counts(), Bucket.of(Policy("ip", 2.0, 3), "a")
    assert [counts.take_alone(bucket, 0.0).left for _ in range(3)] == [2, 1, 0]
    over = counts.take_alone(bucket, 0.0)
    assert (over.again_in_ms, over.full_in_ms) == (500, 1500)
    assert counts.take_alone(bucket, 0.499).again_in_ms is not None
    assert counts.take_alone(bucket, 0.5).again_in_ms is None
    assert counts.take_alone(bucket, 100.0).left == 2
    assert counts.take_alone(Bucket.of(Policy("ip", 2.0, 3), "b"), 0.0).left == 2


@given(
    st.floats(0.05, 1000), st.integers(1, 50), st.lists(st.floats(0, 0.5), min_size=1, max_size=200)
)
def test_without_redis_no_pattern_of_requests_gets_more_than_burst_and_rate(
    rate: float, burst: int, gaps: list[float]
) -> None:
    counts, bucket = Counts(), Bucket.of(Policy("ip", rate, burst), "a")
    now, allowed = 0.0, 0
    for gap in gaps:
        now += gap
        allowed += counts.take_alone(bucket, now).again_in_ms is None
    assert allowed <= burst + now * rate + 1e-6


def test_buckets_that_are_full_again_are_forgotten_and_others_are_kept() -> None:
    counts = Counts()
    for number in range(100):
        counts.take(Bucket.of(SHARED, str(number)), number / 100)
    now_s = 0.5
    for count, reported in counts.pick_unreported():
        counts.confirmed(count, reported, count.arrival_s - now_s, now_s)
    counts.forget_full(100, now_s)
    assert len(counts) == 59  # those of the last tenth of a second and later
    counts.forget_full(100, 10.0)
    assert len(counts) == 0


def test_buckets_that_are_full_again_do_not_pile_up_though_nothing_is_reported() -> None:
    counts = Counts()
    for number in range(10_000):
        counts.take(Bucket.of(LAZY, str(number)), number / 100)
    assert not counts.has_unreported
    assert len(counts) < 250  # a hundred a second, each for a second


def test_a_process_that_knows_too_many_buckets_reports_those_that_it_forgets() -> None:
    counts = Counts(buckets_max=10)
    for number in range(20):
        counts.take(Bucket.of(SHARED, str(number)), 0.0)
    counts.take(Bucket.of(SHARED, "0"), 0.0)
    assert sum(reported for _, reported in counts.pick_unreported()) == 21


def test_only_the_limits_of_work_are_counted_in_the_process() -> None:
    """Passwords, mails to strangers and forged signatures are not guessed more often with more processes."""
    policies = Policies(Settings())
    for shared in (policies.ip, policies.user):
        assert (shared.unconfirmed_max, shared.untold_burst) == (3, 2)
    for exact in (policies.login, policies.refresh, policies.mail, policies.refused):
        assert (exact.unconfirmed_max, exact.untold_burst, exact.untold_rate) == (0, 0, 0.0)
