"""`stampede trace`: lines of all services, as a tree, whichever format they were written in."""

from pathlib import Path

from runtime.operations.trace import read, render

TEXT = {
    "gateway": [
        "2026-01-14T15:30:00Z gateway  [abc-123] POST /api/v1/orders status=201 latency=12ms span=a1",
        "2026-01-14T15:30:01Z gateway  [other] GET /x status=200 latency=1ms span=b2",
        "2026-01-14T15:30:09Z gateway  [abc-123] POST /pay status=200 latency=9ms span=c3",
    ],
    "booking": [
        "2026-01-14T15:30:00Z booking  [abc-123] order_created user=u seats=2 span=a1.1",
        "2026-01-14T15:30:00Z booking  [abc-1234] not_ours span=a1.1",
    ],
    "identity": ["2026-01-14T15:30:00Z identity [abc-123] profile_read duration=1ms span=a1.1.1"],
    "notification": [
        "2026-01-14T15:30:02Z notification [abc-123] email_sent template=order_confirmation span=0"
    ],
}


def test_one_request_becomes_a_tree_and_others_stay_out(tmp_path: Path) -> None:
    for name, lines in TEXT.items():
        (tmp_path / f"{name}.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = list(render(read(tmp_path, "abc-123")))
    found = [line.split(" ", 1)[1].rstrip() for line in lines if line != "afterwards"]
    assert [" ".join(line.split()) for line in found] == [
        "gateway POST /api/v1/orders status=201 latency=12ms",
        "└─ booking order_created user=u seats=2",
        "└─ identity profile_read duration=1ms",
        "gateway POST /pay status=200 latency=9ms",
        "2026-01-14T15:30:02Z notification email_sent template=order_confirmation",
    ]
    assert found[2].index("└") > found[1].index("└")


def test_json_lines_are_read_too(tmp_path: Path) -> None:
    line = '{"time":"2026-01-14T15:30:00Z","service":"booking","request_id":"r","event":"x","n":1}'
    (tmp_path / "booking.log").write_text(f'{line}\n{{"cut\n', encoding="utf-8")
    (only,) = read(tmp_path, "r")
    assert (only.service, only.text) == ("booking", "x n=1")


def test_nothing_found_is_an_empty_list(tmp_path: Path) -> None:
    assert read(tmp_path, "abc") == []


def test_a_collectors_ids_are_not_shown(tmp_path: Path) -> None:
    """They are for the collector; the tree follows `span`."""
    ids = "0af7651916cd43dd8448eb211c80319c"
    (tmp_path / "booking.log").write_text(
        f"2026-01-14T15:30:00Z booking  [r] order_created seats=2 trace_id={ids} span=a1.1\n"
        '{"time":"2026-01-14T15:30:00Z","service":"booking","request_id":"r","event":"order_paid",'
        f'"trace_id":"{ids}","span_id":"b7ad6b7169203331","span":"a1.2"}}\n',
        encoding="utf-8",
    )
    shown = "\n".join(render(read(tmp_path, "r")))
    assert ids not in shown
    assert "b7ad6b7169203331" not in shown
    assert shown.count("booking") == 2
    assert "seats=2" in shown
