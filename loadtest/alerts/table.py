"""What each cause made fire, and what fired without one."""

from collections.abc import Sequence

import msgspec

from loadtest.alerts.prometheus import Firing


class Injected(msgspec.Struct):
    """A cause and its time (time.monotonic()). `began` to `undone` it lasted; until `over` its alerts were
    waited for. `fires` had to, `may` could."""

    name: str
    began: float
    fires: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    undone: float = 0.0
    over: float = 0.0


class Line(msgspec.Struct):
    """`fired` and `cleared`: `42 s`, or `not`."""

    cause: str
    alert: str
    fired: str
    cleared: str
    also: str = ""


def lines(injected: Sequence[Injected], history: Sequence[Firing]) -> list[Line]:
    """One for each alert that had to fire; beside the first of a cause, what fired with it."""
    found = []
    for cause in injected:
        mine = [one for one in history if cause.began <= one.began < cause.over]
        also = sorted({one.name for one in mine} - cause.fires)
        for name in sorted(cause.fires) or ["(none)"]:
            own = sorted((one for one in mine if one.name == name), key=lambda one: one.began)
            line = Line(cause.name, name, "not", "", ", ".join(also))
            still = [one for one in history if one.name == name and _fires_at(one, cause.began)]
            if own:
                line.fired = f"{own[0].began - cause.began:.0f} s"
                line.cleared = _cleared(own, cause)
            elif still:
                line.fired = "fired already"
                line.cleared = _cleared(still, cause)
            elif not cause.fires:
                line.fired = ""
            found.append(line)
            also = []
    return found


def _fires_at(one: Firing, moment: float) -> bool:
    return one.began < moment and (one.ended is None or one.ended > moment)


def _cleared(own: Sequence[Firing], cause: Injected) -> str:
    if any(one.ended is None for one in own):
        return "not yet"
    last = max(one.ended or 0.0 for one in own)
    return f"{max(0.0, last - cause.undone):.0f} s"


def without_cause(injected: Sequence[Injected], history: Sequence[Firing]) -> list[str]:
    """Alerts that began to fire when neither the cause of the moment nor an earlier one, whose failures are
    still in the windows of a burn rate, explains them."""
    found, burned = [], frozenset[str]()
    for cause in injected:
        explained = cause.fires | cause.may
        found += [
            f"{one.name} ({one.severity}) during: {cause.name}: {one.told}"
            for one in history
            if cause.began <= one.began < cause.over and one.name not in explained | burned
        ]
        burned |= {name for name in explained if name.startswith(("Orders", "Callbacks", "Holds"))}
    return found


def as_markdown(table: Sequence[Line]) -> list[str]:
    head = ["| cause | alert | fired after | cleared after | beside it |", "|---|---|---|---|---|"]
    told = ""
    for line in table:
        name = line.cause if line.cause != told else ""
        told = line.cause
        head.append(f"| {name} | {line.alert} | {line.fired} | {line.cleared} | {line.also} |")
    return head
