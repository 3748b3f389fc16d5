"""Whether a measurement had the machine to itself."""

import time

import msgspec
import psutil

QUIET_MAX = 0.1  # of the machine's CPU may be used by others in a window


class Machine(msgspec.Struct, frozen=True):
    """CPU seconds that all cores were busy, or taken by other machines of the same host (steal), and those of
    this process. `at_s`: by time.monotonic()."""

    busy_s: float
    own_s: float
    at_s: float
    cores: int

    def others_since(self, before: "Machine", measured_s: float) -> float:
        """The share of the machine's CPU that neither this process nor what it measured used (0 to 1).

        measured_s: CPU seconds of the programs under measurement and of the load generator.
        """
        elapsed_s = (self.at_s - before.at_s) * self.cores
        used_s = self.busy_s - before.busy_s - (self.own_s - before.own_s) - measured_s
        return min(1.0, max(0.0, used_s / elapsed_s)) if elapsed_s > 0 else 0.0


def look() -> Machine:
    """What the kernel has counted until now."""
    times = psutil.cpu_times()._asdict()
    kinds = ("user", "nice", "system", "irq", "softirq", "steal")
    busy_s = sum(float(times.get(kind, 0.0)) for kind in kinds)
    return Machine(busy_s, time.process_time(), time.monotonic(), psutil.cpu_count() or 1)


def warning(name: str, others: float) -> str | None:
    """A sentence, if others used too much for the figures to be believed."""
    if others <= QUIET_MAX:
        return None
    load = psutil.getloadavg()[0]
    return (
        f"  NOISE: others used {others:.0%} of the machine during {name} (load average {load:.1f})"
    )
