"""`stampede trace` follows an order to its end, over files of any format, and believes no clock blindly."""

import gzip
import io
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from runtime.operations.trace import render_story
from runtime.operations.trace_files import PIECE_BYTES, Sources, TraceError
from runtime.operations.trace_following import Story, Wanted, follow
from runtime.operations.tracing import find_story, wanted_request

ORDER = "0199f0a0-0000-7000-8000-000000000001"
PAYMENT = "0199f0a0-0000-7000-8000-0000000000a1"
OTHER = "0199f0a0-0000-7000-8000-000000000002"
PLACED = f"order_created user=u seats=2 order={ORDER} order_no=260114000042"
LIFE = [
    f"2026-01-14T15:30:00Z booking  [place] {PLACED} span=aaaa1111.1",
    "2026-01-14T15:30:00Z gateway  [place] POST /api/v1/orders status=201 latency=12ms span=aaaa1111",
    "2026-01-14T15:30:02Z notification [place] email_sent template=order_created span=2",
    f"2026-01-14T15:30:10Z booking  [pay] payment_unanswered payment={PAYMENT} order={ORDER}"
    " level=warning span=bbbb2222.1",
    f"2026-01-14T15:30:10Z gateway  [pay] POST /api/v1/orders/{ORDER}/pay status=202"
    " latency=3000ms span=bbbb2222",
    f"2026-01-14T15:30:25Z booking  [payments-0b] order_paid order={ORDER} payment={PAYMENT} span=1",
    f"2026-01-14T15:30:25Z booking  [payments-0b] order_paid order={OTHER} span=1",
    f"2026-01-14T15:30:27Z notification [payments-0b] email_sent template=tickets order={ORDER} span=2",
    f"2026-01-14T15:30:27Z notification [payments-0b] email_sent template=tickets order={OTHER} span=2",
    "2026-01-14T15:31:00Z gateway  [hook] POST /api/v1/payments/webhooks/sandbox status=200"
    " latency=4ms span=cccc3333",
    f"2026-01-14T15:31:00Z booking  [hook] webhook_taken provider=sandbox payment={PAYMENT}"
    " span=cccc3333.1",
    f"2026-01-14T15:32:00Z gateway  [look] GET /api/v1/orders/{ORDER} status=200 latency=1ms span=dddd",
    "2026-01-14T15:33:00Z gateway  [stranger] GET /api/v1/shows status=200 latency=1ms span=eeee",
]


def story_of(tmp_path: Path, lines: Sequence[str], wanted: Wanted | None = None) -> Story:
    (tmp_path / "all.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with Sources([tmp_path]) as sources:
        return follow(sources, wanted or Wanted(requests=["place"]))


def as_otel(line: str) -> str:
    """The same line in the JSON of OpenTelemetry's model."""
    time, service, rest = line.split(maxsplit=2)
    request_id, _, text = rest[1:].partition("] ")
    words = text.split(" ")
    fields = dict(word.split("=", 1) for word in words if "=" in word)
    level = {"warning": "WARN"}.get(fields.pop("level", ""), "INFO")
    record = {
        "Timestamp": time.replace("Z", ".500000Z"),
        "SeverityText": level,
        "Body": " ".join(word for word in words if "=" not in word),
        "Attributes": {"request_id": request_id, **fields},
        "Resource": {"service.name": service},
    }
    return msgspec.json.encode(record).decode()


def test_a_request_is_followed_to_the_end_of_its_order(tmp_path: Path) -> None:
    story = story_of(tmp_path, LIFE)
    assert [group.request_id for group in story.groups] == ["place", "pay", "payments-0b", "hook"]
    text = "\n".join(render_story(story))
    assert "payment_unanswered" in text
    assert f"request payments-0b, by order {ORDER}" in text
    assert text.count("email_sent") == 2
    assert "webhook_taken" in text
    assert OTHER not in text
    assert "stranger" not in text
    assert "Left out: 1 request that only read." in text
    assert story.clocks == {}


@pytest.mark.parametrize("every", [1, 2])
def test_json_and_text_lines_make_the_same_story(tmp_path: Path, every: int) -> None:
    mixed = [as_otel(line) if n % every == 0 else line for n, line in enumerate(LIFE)]
    found, expected = story_of(tmp_path, mixed), story_of(tmp_path, LIFE)
    texts = [[line.text for line in group.lines] for group in found.groups]
    assert texts == [[line.text for line in group.lines] for group in expected.groups]


@pytest.mark.parametrize("key", ["log", "MESSAGE", "message", "line"])
def test_lines_within_a_log_stores_json_are_read(tmp_path: Path, key: str) -> None:
    ours = [as_otel(line) if n % 2 else line for n, line in enumerate(LIFE)]
    wrapped = [msgspec.json.encode({key: f"{line}\n", "stream": "x"}).decode() for line in ours]
    assert len(story_of(tmp_path, wrapped).groups) == 4


def test_lines_behind_a_containers_name_are_read(tmp_path: Path) -> None:
    assert len(story_of(tmp_path, [f"booking-1  | {line}" for line in LIFE]).groups) == 4


def test_an_order_is_followed_by_its_number_from_the_logs_alone(tmp_path: Path) -> None:
    story = story_of(tmp_path, LIFE, Wanted(order_no="260114000042", whole=False))
    assert [group.request_id for group in story.groups] == ["place", "pay", "payments-0b", "hook"]


def test_a_clock_that_is_behind_is_said_and_does_not_change_the_order(tmp_path: Path) -> None:
    """The machine that takes callbacks and payments is two minutes behind."""
    late = [
        line.replace("T15:30:25", "T15:28:25") if "[payments-0b]" in line else line for line in LIFE
    ]
    story = story_of(tmp_path, late)
    assert [group.request_id for group in story.groups][:2] == ["place", "pay"]
    text = "\n".join(render_story(story))
    (marked,) = [line for line in text.splitlines() if "its clock" in line and "order_paid" in line]
    assert "behind" in marked


def test_a_call_outside_its_callers_time_is_marked(tmp_path: Path) -> None:
    ahead = [LIFE[0].replace("T15:30:00", "T15:30:30"), *LIFE[1:]]
    text = list(render_story(story_of(tmp_path, ahead)))
    assert "└─ booking" in text[2]
    assert text[2].endswith("(its clock is about 30 s ahead)")


def test_postgresqls_history_decides_the_order_of_requests(tmp_path: Path) -> None:
    wanted = Wanted(requests=["place", "pay", "hook", "payments-0b"], things=[ORDER], whole=False)
    late = [line.replace("T15:31:00", "T15:29:00") for line in LIFE]
    story = story_of(tmp_path, late, wanted)
    assert [group.request_id for group in story.groups] == wanted.requests


def test_a_request_of_thousands_of_orders_is_not_followed_into_each(tmp_path: Path) -> None:
    lines = [
        f"2026-01-14T15:30:00Z booking  [cancel] order_refunded order=o-{n} span=1"
        for n in range(50)
    ]
    lines += [f"2026-01-14T15:30:00Z booking  [r-{n}] x order=o-{n} span=1" for n in range(50)]
    story = story_of(tmp_path, lines, Wanted(requests=["cancel"]))
    assert [group.request_id for group in story.groups] == ["cancel"]
    assert len(story.lines) == 50


def test_what_could_steer_a_terminal_is_escaped(tmp_path: Path) -> None:
    record = {
        "request_id": "place",
        "time": "2026-01-14T15:30:00Z",
        "service": "\x1b[31m",
        "event": "a\x1b]0;owned\x07",
        "why": "\u202etxt\nforged",
        "span": "1\n2",
    }
    story = story_of(tmp_path, [msgspec.json.encode(record).decode()])
    text = "\n".join(render_story(story))
    assert all(char.isprintable() or char == "\n" for char in text)
    assert len(text.splitlines()) == 1
    assert "\\x1b[31m" in text


def test_lines_that_are_cut_foreign_or_endless_are_passed_over(tmp_path: Path) -> None:
    foreign = [
        '{"cut',
        "[place]",
        "place",
        "{}",
        '["place"]',
        '{"request_id": 7, "a": "place"}',
        "\0",
    ]
    foreign += ['{"a":' * 5_000, "place" + "x" * (3 * PIECE_BYTES), '{"log": {"log": "place"}}']
    story = story_of(tmp_path, [*foreign, *LIFE])
    assert len(story.groups) == 4


def test_rotated_and_packed_files_are_found_beside_the_current_one(tmp_path: Path) -> None:
    older, old, new = LIFE[:4], LIFE[4:8], LIFE[8:]
    (tmp_path / "booking.log").write_text("\n".join(new))
    (tmp_path / "booking.log.1").write_text("\n".join(old))
    with gzip.open(tmp_path / "booking.log.2.gz", "wt") as packed:
        packed.write("\n".join(older))
    (tmp_path / "booking.log.bak").write_text("\n".join(LIFE))
    (tmp_path / "catalog.log").write_text("\n".join(LIFE))
    for names in ([tmp_path / "booking.log"], [tmp_path]):
        with Sources(names) as sources:
            assert len(follow(sources, Wanted(requests=["place"])).groups) == 4
            assert len(sources) == (3 if names != [tmp_path] else 4)


def test_standard_input_is_searched_as_often_as_needed() -> None:
    backwards = io.BytesIO("\n".join(reversed(LIFE)).encode())
    story = find_story(wanted_request("place"), ["-"], backwards, what="it")
    assert [group.request_id for group in story.groups] == ["place", "pay", "payments-0b", "hook"]


@pytest.mark.parametrize("content", [b"", b"nothing of ours\n", b"\xff\xfe\0\0" * 100])
def test_an_id_that_occurs_nowhere_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "booking.log").write_bytes(content)
    with pytest.raises(TraceError, match=r"No log line in \S+ has the request id x\.$"):
        find_story(wanted_request("x"), [tmp_path], io.BytesIO(), what="the request id x")


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    whole = gzip.compress(("\n".join(LIFE) * 200).encode())
    (tmp_path / "cut.log.1.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "no.log.1.gz").write_bytes(b"not packed at all")
    (tmp_path / "empty").mkdir()
    os.symlink("/proc/self/mem", tmp_path / "device.log")
    for name in (
        "cut.log.1.gz",
        "no.log.1.gz",
        "missing.log",
        "empty",
        "missing/x.log",
        "device.log",
    ):
        with pytest.raises(TraceError) as wrong:
            find_story(wanted_request("x"), [tmp_path / name], io.BytesIO(), what="it")
        assert str(wrong.value).endswith(".")
        assert "\n" not in str(wrong.value)
