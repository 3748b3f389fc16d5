"""The tracer of a process, and its exports while it runs. Nothing without STAMPEDE_OTLP_ENDPOINT."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.observability.exposition import Exposition
from chassis.observability.tracer import Tracer
from chassis.settings import Settings, metrics_dir


def tracer_of(settings: Settings) -> Tracer | None:
    """Sends nothing before `exported`."""
    if settings.otlp_endpoint is None:
        return None
    from chassis.observability.otlp import Sender  # noqa: PLC0415  has metrics of its own

    sender = Sender(settings.otlp_endpoint, metrics_interval_s=settings.otlp_metrics_interval_s)
    slow_s = settings.slow_request_ms / 1000 if settings.slow_request_ms else float("inf")
    return Tracer(sender, share=settings.otlp_sample, slow_s=slow_s)


@asynccontextmanager
async def exported(tracer: Tracer | None, name: str) -> AsyncIterator[None]:
    """`name`: of what counts together, for its metrics: `stampede` where web processes and worker do."""
    if tracer is None:
        yield
        return
    from chassis.observability.otlp import Lead, Sender  # noqa: PLC0415

    sender = tracer.keeper
    assert isinstance(sender, Sender)
    directory = metrics_dir()
    sender.start(name, Exposition(directory).families, Lead(directory))
    try:
        yield
    finally:
        await asyncio.to_thread(sender.close)
