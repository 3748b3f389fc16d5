"""The rules of deploy/prometheus with every duration divided: those in brackets, and those of `for`. Names,
thresholds and everything else stay, so a rule that is wrong is wrong here as well."""

import re
from collections.abc import Sequence
from pathlib import Path

_RANGE = re.compile(r"\[(\d+)([smhd])\]")
_FOR = re.compile(r"^(\s+for: )(\d+)([smhd])$", re.MULTILINE)
_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def shortened(text: str, divisor: int) -> str:
    """Raises ValueError if a duration is not found where it is expected."""

    def in_ms(number: str, unit: str) -> str:
        return f"{int(number) * _MS[unit] // divisor}ms"

    made = _RANGE.sub(lambda found: f"[{in_ms(found[1], found[2])}]", text)
    made = _FOR.sub(lambda found: found[1] + in_ms(found[2], found[3]), made)
    left = re.findall(r"\[(?!\d+ms\])[^]]*\]|\boffset\b|for: (?!\d+ms$).*", made, re.MULTILINE)
    if left:
        raise ValueError(f"durations that were not divided: {left}")
    return made


def paging(files: Sequence[Path]) -> frozenset[str]:
    """Names of the alerts that can wake somebody."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    found = re.findall(r"- alert: (\w+)(.*?)severity: (\w+)", text, re.DOTALL)
    return frozenset(name for name, _, severity in found if severity == "page")


def write_shortened(files: Sequence[Path], into: Path, divisor: int) -> None:
    into.mkdir(parents=True)
    for file in files:
        text = shortened(file.read_text(encoding="utf-8"), divisor)
        (into / file.name).write_text(text, encoding="utf-8")
