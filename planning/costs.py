"""What the platform's work costs, as the bench measured it, and the file in which it says so."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

FORMAT = 1
NAME = "costs.json"  # in the data directory
SHIPPED = Path(__file__).with_name("shipped_costs.json")
NEEDED = (
    "bare_asgi", "bare_echo", "create_order", "create_order_strangers", "purchase",
    "refusal_sold_out", "refusal_rate_limited", "browse", "login", "overload", "create_order_http",
)  # fmt: skip
KINDS = ("web", "worker", "postgres", "redis")
US_MAX = 10_000_000.0  # ten seconds of a core: no answer costs that


class CostsError(Exception):
    """The file cannot be used. The message is one sentence that says what to do."""


class CaseCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """CPU µs by kind of process and bytes written (`wal`, `disk`), each per counted answer."""

    cpu_us: dict[str, float]
    per_second: float
    by_status: dict[str, int]
    rss_mb: float = 0.0
    volumes: dict[str, float] = {}


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`version` is Stampede's. `machine` describes where it was measured."""

    format: int
    version: str
    measured_at: datetime
    machine: dict[str, str | int | float]
    cases: dict[str, CaseCost]


class _Head(msgspec.Struct, frozen=True):
    """What every format has: read first, so that another one is named as such."""

    format: int
    version: str


def shipped() -> Costs:
    """The figures of docs/benchmarks.md: another machine's."""
    return msgspec.json.decode(SHIPPED.read_bytes(), type=Costs)


def load(path: Path, version: str) -> Costs:
    """The costs in this file. Raises CostsError if it is not there, is broken, or is of another version."""
    again = "Measure again: stampede plan --measure."
    try:
        written = path.read_bytes()
    except FileNotFoundError:
        raise CostsError(f"There is no costs file {path}.") from None
    except OSError as trouble:
        raise CostsError(f"The costs file {path} cannot be read: {trouble.strerror}.") from None
    try:
        head = msgspec.json.decode(written, type=_Head)
        if head.format != FORMAT:
            raise CostsError(
                f"The costs file {path} is of format {head.format}, and this is format {FORMAT}. {again}"
            )
        if head.version != version:
            raise CostsError(
                f"The costs file {path} is of Stampede {head.version}, and this is {version}. {again}"
            )
        costs = msgspec.json.decode(written, type=Costs)
    except (msgspec.MsgspecError, UnicodeDecodeError) as nonsense:
        raise CostsError(f"The costs file {path} is broken ({nonsense}). {again}") from None
    wrong = what_is_wrong(costs)
    if wrong:
        raise CostsError(f"The costs file {path} cannot be used: {wrong}. {again}")
    return costs


def what_is_wrong(costs: Costs) -> str:
    """Empty if a plan can be made from these costs."""
    missing = [name for name in NEEDED if name not in costs.cases]
    if missing:
        return f"it has no case {', '.join(missing)}"
    if costs.measured_at.tzinfo is None:
        return "its date has no zone"
    for name, case in costs.cases.items():
        every = {**case.cpu_us, "per second": case.per_second}
        bad = [kind for kind, cost in every.items() if not 0 <= cost <= US_MAX]
        bad += [kind for kind, size in case.volumes.items() if not abs(size) < 1e12]
        bad += [kind for kind in KINDS if kind not in case.cpu_us]
        if bad:
            return f"{name} has no usable figure for {bad[0]}"
        if not case.cpu_us["web"]:
            return f"{name} costs its web process nothing"
    return ""


def save(
    path: Path,
    cases: Mapping[str, CaseCost],
    *,
    version: str,
    machine: dict[str, str | int | float],
) -> Costs:
    """Writes the file, whole or not at all. Raises CostsError if a case is missing."""
    costs = Costs(FORMAT, version, datetime.now(UTC).replace(microsecond=0), machine, dict(cases))
    wrong = what_is_wrong(costs)
    if wrong:
        raise CostsError(f"These figures cannot be used for a plan: {wrong}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(costs), indent=1))
    beside.replace(path)
    return costs
