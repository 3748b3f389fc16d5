"""Whether this process is about to end. One object a process, in its wiring."""

import asyncio


class Drain:
    """`begun` is True from the notice that the process ends. It still serves until its server stops."""

    def __init__(self) -> None:
        self.begun = False
        self._waiting: set[asyncio.Future[None]] = set()

    def begin(self) -> None:
        self.begun = True
        for one in self._waiting:
            if not one.done():
                one.set_result(None)

    async def begins(self) -> None:
        """Returns when it has begun."""
        if self.begun:
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)
