"""What `stampede reconcile` takes and says; the command with its servers is in tests/integration."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner

from booking.recovery.findings import Finding, Kind
from runtime.operations.reconciling import Reconciled, print_summary, teller
from stampede.cli.main import stampede
from stampede.cli.recovering import Since

FINDING = Finding(
    kind=Kind.CHARGE_WITHOUT_ORDER,
    left=True,
    what="Its order will be restored.",
    order_id=UUID(int=1),
    payment_id=UUID(int=2),
    session_id=UUID(int=3),
    title="Two Words",
    starts_at=datetime(2026, 8, 15, 11, 30, tzinfo=UTC),
    seats=[3, 4],
    amount=256_000,
    currency="CNY",
)


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("2026-08-15T11:30:00Z", datetime(2026, 8, 15, 11, 30, tzinfo=UTC)),
        ("2026-08-15T19:30:00+08:00", datetime(2026, 8, 15, 11, 30, tzinfo=UTC)),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
    ],
)
def test_since_is_a_time_with_a_zone_or_a_span(text: str, since: Any) -> None:
    assert Since().convert(text, None, None) == since


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-08-15T11:30:00", "15", "0m", "-5m", "15 m", "100000d", "1.5h", ""]
)
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    answer = CliRunner().invoke(stampede, ["reconcile", "--since", text])
    assert answer.exit_code == 2
    words = " ".join(answer.output.replace("│", " ").split())
    assert f"{text} is neither a time with a zone".strip() in words
    assert "nor a span, such as 15m." in words


def test_since_must_be_said() -> None:
    answer = CliRunner().invoke(stampede, ["reconcile", "--apply"])
    assert answer.exit_code == 2
    assert "--since" in answer.output


def test_the_help_says_what_the_exit_code_means() -> None:
    answer = CliRunner().invoke(stampede, ["reconcile", "--help"])
    words = " ".join(answer.output.split())
    assert "Exit code 0 if nothing is left; 1 if findings are left" in words


def test_a_finding_is_two_lines_with_everything_that_is_known() -> None:
    said: list[str] = []
    tell = teller(as_json=False, say=said.append)
    tell(FINDING)
    tell(Finding(kind=Kind.REFUND_UNSENT, left=False, what="Refunded.", payment_id=UUID(int=2)))
    assert said == [
        "left  charge without order: Its order will be restored.",
        "      amount=256000 currency=CNY order_id=00000000-0000-0000-0000-000000000001"
        " payment_id=00000000-0000-0000-0000-000000000002"
        " session_id=00000000-0000-0000-0000-000000000003 title=Two_Words"
        " starts_at=2026-08-15T11:30:00Z seats=3,4",
        "done  refund unsent: Refunded.",
        "      payment_id=00000000-0000-0000-0000-000000000002",
    ]


def test_for_machines_a_finding_is_a_line_of_json() -> None:
    said: list[str] = []
    teller(as_json=True, say=said.append)(FINDING)
    (told,) = [json.loads(line) for line in said]
    assert (told["kind"], told["left"]) == ("charge_without_order", True)
    assert (told["amount"], told["currency"], told["seats"]) == (256_000, "CNY", [3, 4])
    assert (told["starts_at"], told["refund_id"]) == ("2026-08-15T11:30:00Z", None)


@pytest.mark.parametrize(
    ("done", "applied", "lines"),
    [
        (Reconciled(), False, ["0 findings, 0 left"]),
        (
            Reconciled(findings=2, left=2),
            False,
            ["2 findings, 2 left", "Nothing was changed: --apply acts on them."],
        ),
        (Reconciled(findings=2, left=1), True, ["2 findings, 1 left"]),
    ],
)
def test_the_last_line_counts_what_is_left(
    done: Reconciled, *, applied: bool, lines: list[str]
) -> None:
    said: list[str] = []
    print_summary(done, applied=applied, say=said.append)
    assert said == lines
