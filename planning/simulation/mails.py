"""The mails of a sale, as notification/messages/sending.py sends them."""

from notification.messages.sending import LATE_S, POLL_S, RUSH, SHARE, STALE_S, TRICKLE
from planning.simulation.kernel import Calendar, Group

MAILS_PER_S = 1_600.0  # of a worker that sends nothing else (docs/benchmarks.md: worker_lag)


class Mails:
    """The senders of all workers (docs/adr/0025): few while a sale is on, a quarter of the time once one has
    waited for half a minute, and all after it."""

    def __init__(self, calendar: Calendar, pay_share: float, workers: int) -> None:
        self._calendar, self._pay_share, self._workers = calendar, pay_share, workers
        self._waiting: list[Group] = []
        self._running = False
        self.sent = self.left = 0
        self.last_s: float | None = None
        self.last_receipt_s: float | None = None

    def due(self, kind: str, count: int) -> None:
        if not count:
            return
        self._waiting.append(Group(kind, count, self._calendar.now))
        self.left += count
        if not self._running:
            self._running = True
            self._calendar.at(self._calendar.now + POLL_S, self._poll)

    def _poll(self) -> None:
        now = self._calendar.now
        fresh = 0
        for group in reversed(self._waiting):
            if now - group.asked_at > 1.0:
                break
            fresh += group.count
        rush = fresh >= RUSH
        spared = rush and now - self._waiting[0].asked_at < LATE_S
        room = TRICKLE if spared else round(MAILS_PER_S * POLL_S * (SHARE if rush else 1.0))
        self._send(room * self._workers, now)
        self._running = bool(self._waiting)
        if self._running:
            self._calendar.at(now + POLL_S, self._poll)

    def _send(self, room: int, now: float) -> None:
        done = 0
        for group in self._waiting:
            if room <= 0:
                break
            if group.kind == "order" and now - group.asked_at > STALE_S:
                skipped = round(group.count * self._pay_share)  # paid meanwhile
                group.count -= skipped
                self.left -= skipped
                group.kind = "unpaid"
            taken = min(room, group.count)
            group.count -= taken
            room -= taken
            self.left -= taken
            self.sent += taken
            if taken:
                self.last_s = now
                self.last_receipt_s = now if group.kind == "pay" else self.last_receipt_s
            done += group.count == 0
        del self._waiting[:done]
