"""What is asked of a rehearsal, parsed strictly: every mistake is one sentence."""

import re
from pathlib import Path

import msgspec

PEOPLE_MAX = 20_000  # one generator process, and a connection a person
SECONDS_MIN, SECONDS_MAX = 10.0, 900.0
CURVE_SECONDS_MAX = SECONDS_MAX
CURVE_LINES_MAX = 10_000
CURVE_BYTES_MAX = 1_000_000
KILL_AT_S = 2.0  # after the opening, where nobody says when
WAVES = ((0.0, 2.0, 0.5), (10.0, 2.0, 0.3), (20.0, 2.0, 0.2))  # from second, for seconds, share
PROVIDER_TOKENS = {
    "provider-slow": "tok_slow",
    "provider-hang": "tok_timeout",
    "provider-errors": "tok_broken",
}
_RAMP = re.compile(r"(ramp|steady):(\d{1,3}(?:\.\d{1,3})?)s")
_FAULT = re.compile(
    r"(?P<name>[a-z]+-[a-z]+)(?:@(?P<at>\d{1,3}(?:\.\d{1,3})?)s)?"
    r"(?::(?:(?P<for>\d{1,3}(?:\.\d{1,3})?)s|(?P<share>\d{1,3}(?:\.\d{1,3})?)%))?"
)
_KILL = re.compile(r"kill:(?P<name>[a-z0-9-]{1,32})(?:@(?P<at>\d{1,3}(?:\.\d{1,3})?)s)?")


class RehearsalError(Exception):
    """The rehearsal cannot be. The message is one sentence for the operator."""


class Step(msgspec.Struct, frozen=True):
    """A share of people that arrives evenly, or (`grows`) ever faster, within some seconds."""

    from_s: float
    for_s: float
    share: float
    grows: bool = False


class Curve(msgspec.Struct, frozen=True):
    """When people arrive after the opening. `text`: as it was asked for."""

    text: str
    steps: list[Step]

    @property
    def last_s(self) -> float:
        return max(step.from_s + step.for_s for step in self.steps)

    @property
    def mean_s(self) -> float:
        total = sum(step.share for step in self.steps)
        middle = sum(
            step.share * (step.from_s + step.for_s * (2 / 3 if step.grows else 1 / 2))
            for step in self.steps
        )
        return middle / total


class Fault(msgspec.Struct, frozen=True):
    """What goes wrong. `kill`: the program that is killed; otherwise `token` is what the sandbox gets."""

    text: str
    at_s: float
    for_s: float | None = None
    share: float = 1.0
    token: str = ""
    kill: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A rehearsal as the command line has it."""

    people: int
    curve: str = "burst"
    seconds: float = 120.0
    abandon: float = 0.1
    late: float = 0.2
    faults: tuple[str, ...] = ()
    gateway: str = ""
    beside_a_sale: bool = False
    seed: int = 1

    def check(self) -> tuple[Curve, list[Fault]]:
        """The curve and the faults. Raises RehearsalError."""
        if not 1 <= self.people <= PEOPLE_MAX:
            raise RehearsalError(f"--people must be from 1 to {PEOPLE_MAX:,}.")
        if not SECONDS_MIN <= self.seconds <= SECONDS_MAX:
            raise RehearsalError(f"--seconds must be from {SECONDS_MIN:.0f} to {SECONDS_MAX:.0f}.")
        for name, share in (("abandon", self.abandon), ("pay-late", self.late)):
            if not 0 <= share <= 1:
                raise RehearsalError(f"--{name} must be from 0 to 1.")
        if self.abandon + self.late > 1:
            raise RehearsalError("--abandon and --pay-late are more than everybody.")
        curve = curve_of(self.curve)
        if curve.last_s >= self.seconds:
            raise RehearsalError(
                f"The last people of --curve {curve.text} arrive after {curve.last_s:g} s:"
                f" say --seconds above that."
            )
        return curve, [fault_of(text, self.seconds) for text in self.faults]


def curve_of(text: str) -> Curve:
    """burst, wave, steady:60s, ramp:60s, or a file of `second,people`. Raises RehearsalError."""
    if text == "burst":
        return Curve(text, [Step(0.0, 1.0, 1.0)])
    if text == "wave":
        return Curve(text, [Step(*wave) for wave in WAVES])
    found = _RAMP.fullmatch(text)
    if found:
        for_s = float(found[2])
        if not 0 < for_s < CURVE_SECONDS_MAX:
            raise RehearsalError(f"--curve {text} must take above 0 and below 900 s.")
        return Curve(text, [Step(0.0, for_s, 1.0, grows=found[1] == "ramp")])
    if text.endswith(".csv"):
        return Curve(text, _read(Path(text)))
    raise RehearsalError(
        f"--curve must be burst, wave, steady:60s, ramp:60s or a file FILE.csv, not {text[:60]!r}."
    )


def _read(path: Path) -> list[Step]:
    """Lines of `second,people`: how many, of any total, arrive in the second that begins there."""
    try:
        with path.open("rb") as file:
            content = file.read(CURVE_BYTES_MAX + 1)
        lines = content.decode("utf-8").splitlines()
    except OSError as wrong:
        raise RehearsalError(f"{path} cannot be read ({wrong.strerror}).") from None
    except UnicodeDecodeError:
        raise RehearsalError(f"{path} is not text in UTF-8.") from None
    if len(content) > CURVE_BYTES_MAX or len(lines) > CURVE_LINES_MAX:
        raise RehearsalError(f"{path} has more than {CURVE_LINES_MAX:,} lines or 1 MB.")
    if not lines or lines[0].strip() != "second,people":
        raise RehearsalError(f"The first line of {path} must be: second,people")
    steps: list[Step] = []
    for number, line in enumerate(lines[1:], 2):
        found = re.fullmatch(r"(\d{1,3}),(\d{1,9})", line.strip())
        if found is None or (steps and int(found[1]) <= steps[-1].from_s):
            raise RehearsalError(
                f"Line {number} of {path} must have a second after that of the line before, a comma and"
                " a number of people."
            )
        steps.append(Step(float(found[1]), 1.0, float(found[2])))
    if not any(step.share for step in steps):
        raise RehearsalError(f"Nobody arrives in {path}.")
    return steps


def fault_of(text: str, seconds: float) -> Fault:
    """kill:NAME[@2s], provider-slow[@20s][:10s], provider-hang[…], provider-errors[@20s][:5%]."""
    kill = _KILL.fullmatch(text)
    if kill:
        fault = Fault(text, float(kill["at"] or KILL_AT_S), kill=kill["name"])
    else:
        found = _FAULT.fullmatch(text)
        if found is None or found["name"] not in PROVIDER_TOKENS:
            raise RehearsalError(
                f"--fault {text[:60]!r} is none of kill:NAME@2s, provider-slow@20s:10s,"
                " provider-hang@20s:10s and provider-errors@20s:5%."
            )
        by_share = found["name"] == "provider-errors"
        if (found["for"] and by_share) or (found["share"] and not by_share):
            wanted = "a share, like :5%" if by_share else "seconds, like :10s"
            raise RehearsalError(f"--fault {text} must end with {wanted}.")
        share = float(found["share"]) / 100 if found["share"] else 1.0
        if not 0 < share <= 1:
            raise RehearsalError(f"--fault {text} must have a share above 0 and at most 100%.")
        fault = Fault(
            text,
            float(found["at"] or 0),
            for_s=float(found["for"]) if found["for"] else None,
            share=share,
            token=PROVIDER_TOKENS[found["name"]],
        )
    if fault.at_s >= seconds:
        raise RehearsalError(f"--fault {text} begins after the rehearsal's {seconds:g} s.")
    return fault
