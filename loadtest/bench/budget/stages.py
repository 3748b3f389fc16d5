"""The stages of an order's way, and the code that belongs to each. docs/order-way.md tells them in words.

Python's CPU in a web process goes to the stage of the innermost frame that belongs to one, so what a stage
asks of a library counts as its own. What has no such frame is Granian's and the event loop's.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from loadtest.bench.budget.samples import Sample


class Stage(msgspec.Struct, frozen=True):
    """`code`: files and folders from the root of the tree, `file:function` for a part of a file, and
    packages of others. `account`: the kind of processes whose CPU this is instead (programs.accounting)."""

    name: str
    code: tuple[str, ...] = ()
    account: str = ""


SERVER = "server and event loop"
STAGES = (
    Stage(SERVER),
    Stage("gateway", ("gateway/", "chassis/seam/", "chassis/draining.py", "chassis/context.py")),
    Stage("token", ("chassis/auth/",)),
    Stage("limits and admission", ("gateway/protection/",)),
    Stage("body", ("gateway/http/bodies.py", "chassis/http/bodies.py", "booking/orders/wire.py:parse_order")),
    Stage("handler", ("chassis/http/", "booking/routes/", "booking/asgi.py")),
    Stage("terms and buyer", ("booking/clients/", "booking/operations/", "catalog/", "identity/")),
    Stage("order", ("booking/orders/", "booking/domain/", "booking/promo_codes/", "chassis/ids.py")),
    Stage("hold, asked", ("booking/seats/", "chassis/redis/")),
    Stage("hold, in Redis", account="redis"),
    Stage(
        "statement, asked",
        ("booking/orders/placing_store.py", "booking/refusals.py", "chassis/postgres/", "asyncpg/"),
    ),
    Stage("statement, in PostgreSQL", account="postgres"),
    Stage("gathering", ("chassis/concurrency/",)),
    Stage(
        "answer",
        (
            "booking/orders/wire.py:order_answer",
            "chassis/http/fast_path.py:_reply",
            "gateway/http/response_headers.py",
            "gateway/http/exchange.py:reply",
            "gateway/http/exchange.py:_complete",
        ),
    ),
    Stage("log and counts", ("chassis/observability/", "gateway/metrics.py", "booking/orders/metrics.py")),
    Stage("afterwards, in the worker", account="worker"),
    Stage("load generator", account="generator"),
)  # fmt: skip
_BY_CODE = {code: stage.name for stage in STAGES for code in stage.code}


def stage_of(stack: Iterable[tuple[str, str]]) -> str:
    """The stage of a stack, the innermost frame first."""
    for file, function in stack:
        found = _stage_of_frame(file, function)
        if found is not None:
            return found
    return SERVER


def _stage_of_frame(file: str, function: str) -> str | None:
    """That of the function, of the file, or of the nearest folder."""
    for name in (f"{file}:{function}", file):
        if name in _BY_CODE:
            return _BY_CODE[name]
    folder = file
    while "/" in folder:
        folder = folder.rpartition("/")[0]
        if f"{folder}/" in _BY_CODE:
            return _BY_CODE[f"{folder}/"]
    return None


def by_stage(
    cpu_us: Mapping[str, float], samples: Sequence[Sample], answers: int
) -> dict[str, float]:
    """µs an answer by stage. cpu_us: µs an answer by kind of process, which the stages sum up to.

    What the web processes ran outside their sampled threads is the server's.
    """
    found = {stage.name: cpu_us.get(stage.account, 0.0) for stage in STAGES}
    for one in samples:
        found[stage_of(one.stack)] += one.cpu_s / answers * 1e6
    sampled_us = sum(one.cpu_s for one in samples) / answers * 1e6
    found[SERVER] += max(0.0, cpu_us["web"] - sampled_us)
    return found
