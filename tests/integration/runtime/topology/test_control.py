"""The socket of a running topology: one job at a time, whose end does not depend on its client."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.topology.control import Control, Job, Part, Refused, Reply, Request, ask
from tests.support.servers import eventually


class Answering:
    """A control that is polled in a thread of its own, and jobs that wait to be let go on."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.go_on = threading.Event()
        self.ended: list[str] = []
        self._control = Control(self._begin)
        self._control.listen(path)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.01):
            self._control.poll()

    def _begin(self, request: Request) -> Job:
        if request.do == "status":
            yield Reply(parts=[Part("nats-1", "leader", 17, 4222)])
            return
        if request.name == "nobody":
            raise Refused("There is no nobody.")
        yield Reply(f"{request.name} killed.")
        while not self.go_on.is_set():
            yield None
        self.ended.append(request.name)
        yield Reply(f"{request.name} is back.")

    def stop(self) -> None:
        self.go_on.set()
        self._over.set()
        self._thread.join()
        self._control.close()


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Answering]:
    answering = Answering(tmp_path / "control.sock")
    yield answering
    answering.stop()


def test_a_job_says_what_it_does_as_it_does_it(answering: Answering) -> None:
    replies = ask(answering.path, Request("failover", "nats"))
    assert next(replies).say == "nats killed."
    assert answering.ended == []
    answering.go_on.set()
    assert [reply.say for reply in replies] == ["nats is back."]


def test_a_second_job_is_refused_while_one_is_under_way_and_the_status_is_not(
    answering: Answering,
) -> None:
    first = ask(answering.path, Request("failover", "valkey"))
    next(first)
    with pytest.raises(Refused, match="under way"):
        next(ask(answering.path, Request("failover", "nats")))
    (status,) = ask(answering.path, Request("status"))
    assert status.parts == [Part("nats-1", "leader", 17, 4222)]
    answering.go_on.set()
    assert [reply.say for reply in first] == ["valkey is back."]
    answering.go_on.clear()
    assert next(ask(answering.path, Request("failover", "nats"))).say == "nats killed."


def test_a_job_is_finished_though_its_client_has_left(answering: Answering) -> None:
    replies = ask(answering.path, Request("failover", "postgresql"))
    next(replies)
    replies.close()
    answering.go_on.set()
    assert eventually(lambda: answering.ended == ["postgresql"])


def test_a_refusal_is_one_sentence(answering: Answering) -> None:
    with pytest.raises(Refused, match=r"^There is no nobody\.$"):
        next(ask(answering.path, Request("failover", "nobody")))


def test_nobody_at_the_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="still starting"):
        next(ask(str(tmp_path / "control.sock"), Request("status")))


def test_nonsense_at_the_socket_changes_nothing(answering: Answering) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(answering.path)
        one.sendall(b"[]\n")
        assert one.recv(100) == b""
    (status,) = ask(answering.path, Request("status"))
    assert status.parts
