"""Writes down where the CPU of a web process goes: `stampede bench --budget` puts a copy of this file, named
sitecustomize.py, first on the PYTHONPATH of the platform that it measures.

So the platform needs no code for it. It imports the standard library only, and does nothing but in worker
processes of `runtime.serving`. About every 4 ms of a process's CPU the kernel sends SIGPROF, and the main
thread's stack is written with the CPU time of the main thread since the last one. So the weights of all
samples are the whole CPU of that thread, also where other threads (Granian's) used the CPU in between. A
sample costs about 20 µs, half a percent.

Lines: `C number file function` names a piece of code, `S monotonic-s cpu-us number…` is a stack, innermost
first.
"""

import os
import signal
import sys
import time
from pathlib import Path
from types import CodeType, FrameType

EVERY_S = 0.002  # of CPU; the kernel counts in ticks, of 4 ms mostly
DEPTH_MAX = 40
SAMPLED = "runtime.serving"


class Sampler:
    """`start()` once a process, in its main thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: dict[CodeType, int] = {}
        self._out = -1
        self._last_s = 0.0
        self._taking = False

    def start(self) -> None:
        path = self._folder / f"{os.getpid()}.samples"
        self._out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._last_s = time.thread_time()
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def _take(self, _: int, frame: FrameType | None) -> None:
        if self._taking:  # a signal during a sample: what has been used since counts with the next
            return
        self._taking = True
        try:
            self._write(frame, time.thread_time())
        finally:
            self._taking = False

    def _write(self, frame: FrameType | None, ran_s: float) -> None:
        lines: list[str] = []
        numbers: list[str] = []
        while frame is not None and len(numbers) < DEPTH_MAX:
            code = frame.f_code
            number = self._numbers.get(code)
            if number is None:
                number = self._numbers[code] = len(self._numbers)
                lines.append(f"C {number} {code.co_filename} {code.co_name}\n")
            numbers.append(str(number))
            frame = frame.f_back
        spent_us = (ran_s - self._last_s) * 1e6
        self._last_s = ran_s
        lines.append(f"S {time.monotonic():.4f} {spent_us:.0f} {' '.join(numbers)}\n")
        os.write(self._out, "".join(lines).encode())


if __name__ == "sitecustomize" and SAMPLED in sys.orig_argv:
    # Granian forks its worker processes from this one, which only waits.
    os.register_at_fork(after_in_child=Sampler(Path(__file__).parent).start)
