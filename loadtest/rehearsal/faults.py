"""What goes wrong on demand. The provider's faults travel with the crowd's payments (people.token_faults), so
they meet nobody else; programs are killed here."""

import asyncio
import contextlib
import time

import msgspec
import psutil

from loadtest.failover.events import Event, Platform, happens
from loadtest.rehearsal.asking import Fault
from loadtest.rehearsal.target import Target
from runtime.topology.control import Refused


class Happened(msgspec.Struct, frozen=True):
    """`said`: what was done, or why it was not."""

    fault: str
    at_s: float
    said: str


async def happen(target: Target, fault: Fault, opens_at: float, over: asyncio.Event) -> Happened:
    """Waits for its time, and does it, unless the crowd has gone by then."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), max(0.0, opens_at + fault.at_s - time.time()))
        return Happened(fault.text, fault.at_s, "not done: everybody had gone before")
    if target.control:
        platform = Platform(target.control)
        name = "gateway" if fault.kill == "web" else fault.kill
        try:
            said = await happens(Event(fault.text, lambda: platform.do("failover", name)))
        except Refused as refused:
            said = f"not done: {refused}"
    else:
        said = await asyncio.to_thread(_kill, target, fault.kill)
    return Happened(fault.text, round(time.time() - opens_at, 1), said)


def _kill(target: Target, kind: str) -> str:
    """One process of that kind, with SIGKILL. Its supervisor starts another one."""
    for process in reversed(target.processes(kind)):
        try:
            if "resource_tracker" in " ".join(process.cmdline()):
                continue
            process.kill()
        except psutil.Error:
            continue
        return f"{kind} process {process.pid} killed"
    return f"not done: no {kind} process was there"
