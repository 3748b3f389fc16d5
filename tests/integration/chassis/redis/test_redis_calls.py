"""chassis.redis.scripts against a real server that is killed, emptied, paused and restarted."""

import asyncio
import contextlib
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from booking.seats.keys import session_keys
from booking.seats.outcomes import Held
from chassis.problems import Overloaded, Unavailable
from chassis.redis.scripts import RedisCalls, Script, load_scripts
from chassis.redis.servers import Servers
from tests.support.seats import DictTruth, OwnServer, best, exact, letters, own_server, seat_holds

ECHO = """-- Answer with the argument.
-- KEYS
-- ARGV     text
-- RETURNS  {'echo', text} | {'nothing'}
-- INCLUDES said
return said(ARGV[1])
"""
SAID = """-- Says it.
local function said(text)
  if text == 'surprise' then
    return {'surprise'}
  end
  return {'echo', text}
end
"""


@pytest.fixture
def scripts(tmp_path: Path) -> dict[str, Script]:
    (tmp_path / "shared").mkdir()
    (tmp_path / "echo.lua").write_text(ECHO)
    (tmp_path / "shared" / "said.lua").write_text(SAID)
    return load_scripts(tmp_path)


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with own_server(Path(tempfile.mkdtemp(prefix="seats-"))) as running:
        yield running


HANG_S = 30.0  # nobody waits for so long unless something hangs


@pytest.fixture
async def calls(server: OwnServer, scripts: dict[str, Script]) -> AsyncIterator[RedisCalls]:
    calls = RedisCalls(Servers(server.url), scripts)
    try:
        yield calls
    finally:
        await calls.close()


@pytest.fixture
async def patient_calls(server: OwnServer, scripts: dict[str, Script]) -> AsyncIterator[RedisCalls]:
    """Which wait for an answer for longer than a test may take."""
    calls = RedisCalls(Servers(server.url), scripts, answer_timeout_s=10 * HANG_S)
    try:
        yield calls
    finally:
        await calls.close()


async def echo(calls: RedisCalls, scripts: dict[str, Script], text: str) -> str:
    word, (answer,) = await calls.run(scripts["echo"], [], [text])
    assert word == "echo"
    return str(answer.decode())


async def test_an_undocumented_word_is_an_error(
    calls: RedisCalls, scripts: dict[str, Script]
) -> None:
    with pytest.raises(LookupError, match="surprise"):
        await calls.run(scripts["echo"], [], ["surprise"])


async def test_one_bad_command_fails_its_caller_alone(
    calls: RedisCalls, scripts: dict[str, Script]
) -> None:
    answers = await asyncio.gather(
        calls.command("SET", "text", "x"),
        calls.command("HGET", "text", "field"),
        echo(calls, scripts, "fine"),
        return_exceptions=True,
    )
    assert answers[0] in {True, b"OK"}
    assert isinstance(answers[1], ResponseError)
    assert answers[2] == "fine"


async def test_a_big_batch_is_answered_in_order(
    calls: RedisCalls, scripts: dict[str, Script]
) -> None:
    texts = [f"{number}:" + "x" * (number % 97) for number in range(5_000)]
    assert await asyncio.gather(*(echo(calls, scripts, text) for text in texts)) == texts


async def test_scripts_are_taught_again_after_script_flush(
    calls: RedisCalls, scripts: dict[str, Script]
) -> None:
    assert await echo(calls, scripts, "before") == "before"
    await calls.command("SCRIPT", "FLUSH", "SYNC")
    count = "INCR", "counted"
    answers = await asyncio.gather(
        *(echo(calls, scripts, str(n)) if n % 2 else calls.command(*count) for n in range(50))
    )
    assert answers == [str(n) if n % 2 else n // 2 + 1 for n in range(50)]  # nothing ran twice


async def test_every_answer_belongs_to_its_caller_however_many_give_up(
    calls: RedisCalls, scripts: dict[str, Script]
) -> None:
    dice = random.Random(1)
    answered = 0
    for _ in range(60):
        tasks = {
            text: asyncio.create_task(echo(calls, scripts, text))
            for text in (str(dice.random()) for _ in range(100))
        }
        for text in dice.sample(sorted(tasks), 40):
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
            tasks[text].cancel()
        for text, task in tasks.items():
            try:
                assert await task == text
                answered += 1
            except asyncio.CancelledError:
                continue
    assert answered >= 60 * 60


async def test_a_cancelled_group_leaves_its_answers_to_nobody(calls: RedisCalls) -> None:
    """Cut off at any point on the way: the next answer is still the asker's own."""
    for turns in range(60):
        task = asyncio.ensure_future(
            calls.submit_each([("ECHO", f"old {number}") for number in range(20)])
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await calls.command("ECHO", "mine") == b"mine"


async def test_a_group_tells_each_failure_in_its_place(calls: RedisCalls) -> None:
    await calls.command("SET", "text", "x")
    answers = await calls.submit_each(
        [("GET", "text"), ("HGET", "text", "field"), ("APPEND", "text", "y")]
    )
    assert (answers[0], answers[2]) == (b"x", 2)
    assert isinstance(answers[1], ResponseError)


async def test_a_killed_server_is_unavailable_quickly_and_back_on_the_same_client(
    server: OwnServer, patient_calls: RedisCalls, scripts: dict[str, Script]
) -> None:
    """Because it is gone, not because no answer came in time."""
    calls = patient_calls
    await asyncio.gather(*(echo(calls, scripts, str(n)) for n in range(300)))
    server.kill()
    async with asyncio.timeout(HANG_S):
        refused = await asyncio.gather(
            *(echo(calls, scripts, str(n)) for n in range(300)), return_exceptions=True
        )
    assert all(isinstance(one, Unavailable) for one in refused)
    server.start()
    failures = 0
    while True:  # the connection may have to be found dead first
        try:
            assert await echo(calls, scripts, "back") == "back"
            break
        except Unavailable:
            failures += 1
            assert failures <= 1
    texts = [str(n) for n in range(300)]
    assert await asyncio.gather(*(echo(calls, scripts, text) for text in texts)) == texts


async def test_a_stopped_server_is_unavailable_in_time_and_its_late_answers_reach_nobody(
    server: OwnServer, calls: RedisCalls, scripts: dict[str, Script]
) -> None:
    assert await echo(calls, scripts, "before") == "before"
    server.signal(signal.SIGSTOP)
    async with asyncio.timeout(HANG_S):  # the server itself never answers
        late = await asyncio.gather(
            *(echo(calls, scripts, f"late {n}") for n in range(10)), return_exceptions=True
        )
    assert all(isinstance(one, Unavailable) for one in late)
    server.signal(signal.SIGCONT)
    for number in range(20):
        assert await echo(calls, scripts, f"new {number}") == f"new {number}"


async def test_a_command_whose_answer_was_lost_is_not_sent_again(
    server: OwnServer, tmp_path: Path
) -> None:
    """It may have happened: between us and the server everything but the answer gets through."""

    async def lose_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(server.url.removeprefix("unix://"))
        while request := await reader.read(65536):
            back.write(request)
            answer = await there.read(65536)
            if b"INCRBY" in request:
                break
            writer.write(answer)
        for one in (writer, back):
            one.close()

    between = tmp_path / "between.sock"
    async with await asyncio.start_unix_server(lose_answers, between):
        calls = RedisCalls(Servers(f"unix://{between}"), {})
        with pytest.raises(Unavailable):
            await calls.command("INCRBY", "counted", 1)
        await calls.close()
    direct = RedisCalls(Servers(server.url), {})
    assert await direct.command("GET", "counted") == b"1"
    await direct.close()


async def test_a_short_pause_is_waited_for(
    server: OwnServer, calls: RedisCalls, scripts: dict[str, Script]
) -> None:
    await calls.command("CLIENT", "PAUSE", 300, "ALL")
    begun = time.monotonic()
    assert await echo(calls, scripts, "after the pause") == "after the pause"
    assert time.monotonic() - begun > 0.2


async def test_a_server_that_is_full_is_unavailable_and_not_our_mistake(
    calls: RedisCalls,
) -> None:
    await calls.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(Unavailable):
        await calls.command("SET", "key", "x")
    await calls.command("CONFIG", "SET", "maxmemory", "0")
    assert await calls.command("SET", "key", "y")


async def test_a_missing_password_is_unavailable(calls: RedisCalls, server: OwnServer) -> None:
    await calls.command("CONFIG", "SET", "requirepass", "secret")
    without = RedisCalls(Servers(server.url), {})
    with pytest.raises(Unavailable):
        await without.command("PING")
    await without.close()
    having = RedisCalls(Servers(server.url.replace("unix://", "unix://:secret@") + "?db=3"), {})
    assert b" db=3 " in await having.command("CLIENT", "INFO")
    await having.close()


async def test_seats_survive_a_killed_server(server: OwnServer) -> None:
    """Nothing of Redis is left after the kill; what PostgreSQL has comes back by itself."""
    truth = DictTruth()
    session_id = truth.publish("." * 50)
    async with seat_holds(server.url, truth) as holds:
        assert isinstance(await best(holds, session_id, (1, 50), 4), Held)
        [claim] = truth.claim(session_id, [9], "sold")
        await holds.correct(session_id, [claim])
        server.kill()
        with pytest.raises(Overloaded):
            await exact(holds, session_id, [10])
        server.start()
        while True:
            try:
                assert await letters(holds, session_id) == "." * 8 + "s" + "." * 41
                break
            except Unavailable:
                continue


async def test_seats_go_on_through_flushes_and_lost_keys(server: OwnServer) -> None:
    truth, dice = DictTruth(), random.Random(3)
    session_id = truth.publish("." * 400)
    async with seat_holds(server.url, truth) as holds, seat_holds(server.url, truth) as other:
        keys = session_keys(session_id)

        async def lose() -> None:
            for _ in range(20):
                key = dice.choice([None, *keys])
                await holds.calls.command(*(["FLUSHALL"] if key is None else ["DEL", key]))
                await asyncio.sleep(0.005)

        async def buy(holder: object) -> int:
            held = 0
            while held < 60:
                with contextlib.suppress(Unavailable):  # lost again while it was being loaded
                    answer = await best(holder, session_id, (1, 400), 2)  # type: ignore[arg-type]
                    held += isinstance(answer, Held)
            return held

        *held, _ = await asyncio.gather(buy(holds), buy(other), lose())
        assert held == [60, 60]
        assert len(await letters(holds, session_id)) == 400
