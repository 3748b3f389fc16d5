"""How a sale with failovers is judged: its gaps, its table, and what must be 0."""

from pathlib import Path

import msgspec
import pytest

from loadtest.failover.checking import Verdict, sold_twice
from loadtest.failover.record import Failure, Ordered, Paid, Record, Sale
from loadtest.failover.table import Happened, as_markdown, gaps, rows


@pytest.mark.parametrize(
    ("times", "longest"),
    [
        ([], 10.0),
        ([1.0, 2.0, 7.5], 5.5),
        ([4.0], 6.0),  # also at the end of the window
        ([-3.0, 6.0, 14.0], 6.0),  # sales outside of it do not shorten it
    ],
)
def test_the_longest_time_without_a_sale_is_within_the_window(
    times: list[float], longest: float
) -> None:
    assert gaps(times, 0.0, 10.0) == longest


def test_a_row_names_the_sessions_that_waited_and_what_failed_in_its_window(tmp_path: Path) -> None:
    record = Record(tmp_path / "told")
    record.sales = [Sale(at / 2, number) for at in range(20) for number in (1, 2)]
    record.sales = [one for one in record.sales if one.session == 2 or not 3 < one.at < 6]
    record.failures = [Failure(4.0, 1, "503 unavailable"), Failure(5.0, 1, "503 unavailable")]
    record.failures += [Failure(11.0, 1, "no answer")]
    quiet, killed = Happened("nothing", 0.0, 2.0), Happened("kill -9", 2.0, 9.0, "it is back.")
    usual, row = rows(record, [quiet, killed], [1, 2])
    assert usual[2:5] == ["8", "all ≤ 0.5", "none"]
    assert row == [
        "kill -9",
        "7",
        "23",
        "#1 3.0; others ≤ 0.5",
        "2 × 503 unavailable",
        "it is back.",
    ]
    record.close()
    assert len(as_markdown([row])) == 3


def test_a_seat_that_two_orders_were_given_is_named() -> None:
    told = [Paid("a", 1, [7, 8]), Paid("b", 1, [8]), Paid("c", 2, [8])]
    assert sold_twice(told) == ["session 1 seat 8"]


@pytest.mark.parametrize(
    "what", ["orders_lost", "payments_lost", "seats_twice", "mails_lost", "audit"]
)
def test_one_thing_lost_is_enough(what: str) -> None:
    counts = {"orders_lost": [], "payments_lost": [], "seats_twice": [], "mails_lost": []}
    whole = Verdict(orders=2, payments=2, **counts, audit=[])
    assert whole.ok
    lacking = msgspec.structs.replace(whole, **{what: ["x"]})
    assert not lacking.ok
    assert any("x" in line for line in lacking.lines())


def test_an_acknowledgement_is_in_the_file_at_once(tmp_path: Path) -> None:
    record = Record(tmp_path / "told")
    record.take(Ordered("a", 1, [7]))
    assert (tmp_path / "told").read_bytes().startswith(b'{"type":"ordered","order_id":"a"')
    record.take(Paid("a", 1, [7]))
    assert [one.session for one in record.sales] == [1]
    record.close()
