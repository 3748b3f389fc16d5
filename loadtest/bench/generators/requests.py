"""Requests of a written plan, for the built-in generator: crowd.lua in Python."""

import re
from pathlib import Path

import msgspec

from loadtest.bench.generators.traffic import CALLS, ROWS, TOKENS, Call, Calls

ORDER = re.compile(rb'"order_id":"([0-9a-f-]+)"')
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]+|\"request_id\":\"[^\"]*\"")
HOLE = re.compile(r"\$(\w+)")
SHOWN_MAX = 300  # of an unexpected body


class Sent(msgspec.Struct, frozen=True):
    call: Call
    number: int
    wire: bytes


class Requests:
    """`next()` returns the next request. `judge(sent, status, body)` returns "" or what was wrong with
    the answer."""

    def __init__(self, folder: Path, first: int, host: str) -> None:
        self._plan = msgspec.json.decode((folder / CALLS).read_bytes(), type=Calls)
        lines = (folder / ROWS).read_text(encoding="utf-8").splitlines()
        self._rows = [dict(_numbered(line.split("\t"))) for line in lines]
        self._tokens = (folder / TOKENS).read_text(encoding="utf-8").split()
        self._host = host
        self._turn = 0
        self._waiting: list[tuple[int, str]] = []
        self.number = first

    def next(self) -> Sent:
        place, call = self._call_in_turn()
        number, row = self.number, self._rows[self.number % len(self._rows)]
        self.number += 1
        if call.needs_order:
            number, order = self._waiting.pop()
            row = {"order": order}
        return Sent(call, number, self._wire(place, call, number, row))

    def judge(self, sent: Sent, status: int, body: bytes) -> str:
        says = sent.call.expects.get(status)
        if says is None or says.encode() not in body:
            shown = body[:SHOWN_MAX].decode("utf-8", "replace")
            return UUID.sub("…", f"{sent.call.name} {status}: {shown}")
        if sent.call.orders and status == 201 and (order := ORDER.search(body)):
            self._waiting.append((sent.number, order[1].decode()))
        return ""

    def _call_in_turn(self) -> tuple[int, Call]:
        place = self._plan.turns[self._turn]
        self._turn = (self._turn + 1) % len(self._plan.turns)
        call = self._plan.calls[place - 1]
        if call.needs_order and not self._waiting:
            calls = enumerate(self._plan.calls, 1)
            return next((other, one) for other, one in calls if not one.needs_order)
        return place, call

    def _wire(self, place: int, call: Call, number: int, row: dict[str, str]) -> bytes:
        request_id = f"{self._plan.tag}-{number}-{place}"
        headers = {"Host": self._host, "X-Request-ID": request_id}
        headers |= {name: _fill(value, row) for name, value in call.headers.items()}
        if self._plan.addresses:
            a = number % self._plan.addresses
            headers["X-Forwarded-For"] = f"10.{a >> 16}.{a >> 8 & 255}.{a & 255}"
        if call.with_token:
            headers["Authorization"] = f"Bearer {self._tokens[number % len(self._tokens)]}"
        if call.with_key:
            headers["Idempotency-Key"] = request_id
        body = _fill(call.body, row).encode()
        if body:
            headers["Content-Type"] = "application/json"
            headers["Content-Length"] = str(len(body))
        lines = [f"{call.method} {_fill(call.path, row)} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _numbered(columns: list[str]) -> list[tuple[str, str]]:
    return [(str(place), column) for place, column in enumerate(columns, 1)]


def _fill(text: str, row: dict[str, str]) -> str:
    """A placeholder without a column stays unchanged."""
    return HOLE.sub(lambda hole: row.get(hole[1], hole[0]), text) if "$" in text else text
