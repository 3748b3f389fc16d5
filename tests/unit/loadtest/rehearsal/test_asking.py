"""What may be asked of a rehearsal, and that every mistake is one sentence."""

from pathlib import Path

import pytest

from loadtest.rehearsal.asking import PEOPLE_MAX, Asked, RehearsalError, curve_of, fault_of

WRONG_CURVES = [
    "",
    "Burst",
    "ramp",
    "ramp:",
    "ramp:60",
    "ramp:0s",
    "ramp:900s",
    "ramp:-5s",
    "ramp:1e2s",
    "ramp:60s ",
    "steady:nans",
    "../etc/passwd",
    "x" * 10_000,
]
WRONG_FAULTS = [
    "",
    "kill",
    "kill:",
    "kill:web@",
    "kill:web@2",
    "kill:we b",
    "provider-fast",
    "provider-slow:5%",
    "provider-slow@200s:10s",
    "provider-errors:10s",
    "provider-errors:0%",
    "provider-errors:101%",
    "provider-hang@-1s",
]


def one_sentence(refused: pytest.ExceptionInfo[RehearsalError]) -> str:
    text = str(refused.value)
    assert "\n" not in text
    assert len(text) < 300
    return text


@pytest.mark.parametrize("text", WRONG_CURVES)
def test_a_wrong_curve_is_refused(text: str) -> None:
    with pytest.raises(RehearsalError) as refused:
        curve_of(text)
    one_sentence(refused)


@pytest.mark.parametrize("text", WRONG_FAULTS)
def test_a_wrong_fault_is_refused(text: str) -> None:
    with pytest.raises(RehearsalError) as refused:
        fault_of(text, 100.0)
    one_sentence(refused)


@pytest.mark.parametrize(
    "wrong",
    [
        {"people": 0},
        {"people": -1},
        {"people": 10_000_000},
        {"people": 1, "seconds": 5.0},
        {"people": 1, "seconds": float("nan")},
        {"people": 1, "abandon": 1.5},
        {"people": 1, "abandon": 0.6, "late": 0.6},
        {"people": 1, "late": float("nan")},
        {"people": 1, "curve": "steady:120s"},
    ],
)
def test_numbers_out_of_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(RehearsalError) as refused:
        Asked(**wrong).check()  # type: ignore[arg-type]
    one_sentence(refused)


def test_the_most_people_may_come() -> None:
    assert Asked(people=PEOPLE_MAX).check()[0].text == "burst"


@pytest.mark.parametrize(
    ("text", "last_s", "mean_s"),
    [("burst", 1, 0.5), ("steady:60s", 60, 30), ("ramp:60s", 60, 40), ("wave", 22, 8.0)],
)
def test_a_curve_knows_its_end_and_its_middle(text: str, last_s: float, mean_s: float) -> None:
    curve = curve_of(text)
    assert curve.last_s == last_s
    assert curve.mean_s == pytest.approx(mean_s)


def test_a_fault_has_its_time_its_length_and_its_share() -> None:
    slow = fault_of("provider-slow@20s:10s", 100.0)
    assert (slow.token, slow.at_s, slow.for_s, slow.share) == ("tok_slow", 20, 10, 1)
    errors = fault_of("provider-errors:5%", 100.0)
    assert (errors.token, errors.at_s, errors.for_s, errors.share) == ("tok_broken", 0, None, 0.05)
    kill = fault_of("kill:valkey", 100.0)
    assert (kill.kill, kill.token, kill.at_s) == ("valkey", "", 2)


def test_a_file_says_how_many_come_in_which_second(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    path.write_text("second,people\n0,100\n3,300\n")
    curve = curve_of(str(path))
    assert [(step.from_s, step.share) for step in curve.steps] == [(0, 100), (3, 300)]
    assert curve.last_s == 4


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0,100\n",
        b"second,people\n",
        b"second,people\n0,0\n",
        b"second,people\n5,1\n5,1\n",
        b"second,people\n0,-1\n",
        b"second,people\n0,1,2\n",
        b"second,people\n1000,1\n",
        b"\xff\xfe",
        b"second,people\n" + b"\n" * 20_000,
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "curve.csv"
    path.write_bytes(content)
    with pytest.raises(RehearsalError) as refused:
        curve_of(str(path))
    assert str(path) in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match="cannot be read"):
        curve_of(str(tmp_path / "none.csv"))
