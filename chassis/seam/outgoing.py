"""W3C Trace Context for servers that are not ours: a payment provider, an organizer's receiver.

    aiohttp.ClientSession(trace_configs=[passing_on_the_trace()])

Only requests of a sampled trace carry `traceparent`: of another one nobody would find anything. The request
id does not leave the house; it may be a client's own.
"""

from types import SimpleNamespace

import aiohttp

from chassis.context import current


def passing_on_the_trace() -> aiohttp.TraceConfig:
    """For one session. The header names the latest call of the running request (Part.begin_call)."""
    config = aiohttp.TraceConfig()
    config.on_request_start.append(_add_traceparent)
    return config


async def _add_traceparent(
    _session: aiohttp.ClientSession,
    _context: SimpleNamespace,
    request: aiohttp.TraceRequestStartParams,
) -> None:
    part = current().trace
    if part is not None and part.trace.sampled:
        request.headers["traceparent"] = part.latest_traceparent
