"""The list of requests that failed or were slow: newest first, bounded, from the ends of files."""

from pathlib import Path

from runtime.operations.trace_recent import RECENT_MAX, TAIL_BYTES, recent_of

SECOND = "2026-01-14T15:30:{:02d}Z gateway  [r{}] {} status={} latency={}ms span=8c1f"


def written(folder: Path, *lines: str, name: str = "gateway.log") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def line(number: int, what: str = "GET /api/v1/shows", status: int = 200, ms: int = 5) -> str:
    return SECOND.format(number % 60, number, what, status, ms)


def test_failed_and_slow_requests_are_listed_newest_first(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        line(1, "POST /api/v1/orders", 503, 12),
        line(2),
        line(3, status=404),
        line(4, "GET /api/v1/sessions/x/seats/stream", 200, 60_000),
        line(5, "POST /api/v1/orders", 201, 1_000),
        line(6, ms=999),
        "2026-01-14T15:30:07Z booking  [r7] POST /x status=500 latency=9ms span=8c1f.1",
        "no line of ours status=500",
    )
    found = recent_of([folder], slow_ms=1_000)
    assert [(one.request_id, one.status, one.duration_ms) for one in found] == [
        ("r5", "201", 1_000.0),
        ("r1", "503", 12.0),
    ]
    assert found[1].name == "POST /api/v1/orders"
    assert [one.request_id for one in recent_of([folder], slow_ms=0)] == ["r1"]


def test_lines_of_every_format_are_read(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        '{"time":"2026-01-14T15:30:01.5Z","service":"gateway","request_id":"abc",'
        '"event":"POST /api/v1/orders","status":500,"latency":"3ms","span":"8c1f"}',
    )
    (one,) = recent_of([folder], slow_ms=0)
    assert (one.request_id, one.status, one.name) == ("abc", "500", "POST /api/v1/orders")


def test_however_many_there_are_fifty_are_told_and_only_the_ends_are_read(tmp_path: Path) -> None:
    folder = written(tmp_path, *(line(n, status=500) for n in range(RECENT_MAX + 10)))
    assert len(recent_of([folder], slow_ms=0)) == RECENT_MAX
    text = line(1, status=500) + "\n" + "x" * TAIL_BYTES + "\n" + line(2, status=500) + "\n"
    (tmp_path / "gateway.log").write_text(text)
    assert [one.request_id for one in recent_of([folder], slow_ms=0)] == ["r2"]


def test_what_was_rotated_is_read_too_and_other_logs_are_not(tmp_path: Path) -> None:
    written(tmp_path, line(1, status=500), name="gateway.log.1")
    written(tmp_path, line(2, status=500))
    written(tmp_path, line(3, status=500), name="booking.log")
    assert [one.request_id for one in recent_of([tmp_path], slow_ms=0)] == ["r2", "r1"]


def test_a_secret_in_a_path_is_masked(tmp_path: Path) -> None:
    (one,) = recent_of(
        [written(tmp_path, line(1, "GET /tickets/wang@example.com", 500))], slow_ms=0
    )
    assert "wang" not in one.name


def test_a_secret_across_the_end_of_what_is_shown_is_masked(tmp_path: Path) -> None:
    """Cut first, it would be no address any more, and half of it would be shown."""
    path = "GET /tickets/" + "x" * 170 + "/ wang.xiaoming@example.com"
    assert path.index("@") < 200 < path.rindex(".com")
    (one,) = recent_of([written(tmp_path, line(1, path, 500))], slow_ms=0)
    assert "wang" not in one.name


def test_a_file_that_is_rotated_away_meanwhile_is_passed_over(tmp_path: Path) -> None:
    written(tmp_path, line(1, status=500))
    found = recent_of([tmp_path / "gateway.log.7", tmp_path / "gateway.log"], slow_ms=0)
    assert [one.request_id for one in found] == ["r1"]
