"""Reading a trace is bounded: one process at a time, for so long, kept for a moment, never without files."""

import asyncio
import sys
from pathlib import Path

import pytest

from booking.operations.traces import WAITING_MAX, Traces
from chassis.problems import Overloaded

# Appends to a file that it was started, and prints an answer.
ANSWERS = """
import json, pathlib, sys
with (pathlib.Path(sys.argv[-1]) / "started").open("a") as file:
    file.write(sys.argv[-2] + " ")
print(json.dumps({"request_id": sys.argv[-2], "order_no": None, "complete": True, "spans": []}))
"""
HANGS = ANSWERS.replace("print(", "import time; time.sleep(3600); print(")


def reader(folder: Path, script: str, *, within_s: float = 60.0) -> Traces:
    (folder / "booking.log").touch()
    return Traces(folder, command=(sys.executable, "-c", script), within_s=within_s)


def started(folder: Path) -> list[str]:
    path = folder / "started"
    return path.read_text().split() if path.exists() else []


async def test_a_trace_that_is_asked_for_again_is_read_once(tmp_path: Path) -> None:
    traces = reader(tmp_path, ANSWERS)
    answers = await asyncio.gather(*(traces.trace("abc") for _ in range(20)))
    assert {(one.request_id, one.not_available) for one in answers} == {("abc", None)}
    assert started(tmp_path) == ["abc"]


async def test_without_log_files_a_command_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    for traces in (Traces(None), Traces(tmp_path)):
        told = (await traces.trace("abc")).not_available
        assert told is not None
        assert "`stampede trace abc -`" in told


async def test_a_reader_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    told = await reader(tmp_path, HANGS, within_s=0.5).trace("abc")
    assert told.spans == []
    assert "too long" in str(told.not_available)


async def test_a_reader_that_finds_nothing_says_so(tmp_path: Path) -> None:
    told = await reader(tmp_path, "raise SystemExit(3)").trace("abc")
    assert "no log line" in str(told.not_available)


async def test_a_reader_that_breaks_is_not_taken_for_one_that_found_nothing(tmp_path: Path) -> None:
    told = await reader(tmp_path, "raise SystemExit(1)").trace("abc")
    assert "could not be read" in str(told.not_available)
    listed = await reader(tmp_path, "raise SystemExit(1)").recent()
    assert (listed.items, listed.not_available) == ([], "the logs could not be read")


async def test_recent_requests_are_read_once_for_all_who_ask(tmp_path: Path) -> None:
    row = {"request_id": "r1", "at": "t", "name": "GET /x", "status": "500", "duration_ms": 3.0}
    script = ANSWERS.replace("print(", f"print(json.dumps([{row}])); raise SystemExit(0); print(")
    traces = reader(tmp_path, script)
    answers = await asyncio.gather(*(traces.recent() for _ in range(20)))
    assert {one.items[0].request_id for one in answers} == {"r1"}
    assert len(started(tmp_path)) == 1
    assert (await Traces(None).recent()).not_available == "this machine has no log files"


async def test_readers_wait_for_each_other_and_too_many_are_refused(tmp_path: Path) -> None:
    traces = reader(tmp_path, HANGS)
    waiting = [asyncio.create_task(traces.trace(f"r{n}")) for n in range(WAITING_MAX)]
    async with asyncio.timeout(60):
        while not started(tmp_path):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    with pytest.raises(Overloaded):
        await traces.trace("one-more")
    assert started(tmp_path) == ["r0"]
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
