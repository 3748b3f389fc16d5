"""What the clients of a simulated sale hear."""

from planning.simulation.kernel import Group, Percentiles

LATER = {"503", "429"}


class Tally:
    """Answers by status, how long they took, and when people knew."""

    def __init__(self) -> None:
        self.answers: dict[str, int] = {}
        self.served, self.refused = Percentiles(), Percentiles()
        self.every, self.known = Percentiles(), Percentiles()
        self.first_order_s: float | None = None
        self.last_order_s: float | None = None
        self.last_answer_s = 0.0

    def count(self, status: str, count: int) -> None:
        self.answers[status] = self.answers.get(status, 0) + count

    def hear(self, group: Group, status: str, now: float, *, final: bool) -> None:
        """final: they ask no more."""
        self.count(status, group.count)
        took_s = now - group.asked_at
        self.every.add(took_s, group.count)
        (self.refused if status in LATER else self.served).add(took_s, group.count)
        if status == "201":
            self.first_order_s = now if self.first_order_s is None else self.first_order_s
            self.last_order_s = now
        if final:
            self.known.add(now, group.count)
            self.last_answer_s = now
