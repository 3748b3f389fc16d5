"""A webhook of a sampled request carries that request's trace."""

import msgspec

from chassis.observability.tracer import Tracer
from tests.support.spans import tracing
from tests.support.webhooks import Receiver, Webhooks, paid

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"


async def test_the_receiver_gets_the_span_that_sent_it(
    service: Webhooks, receiver: Receiver
) -> None:
    await service.subscribe(receiver.url)
    session_id = service.catalog.session()
    with tracing() as kept:
        event = msgspec.structs.replace(paid(session_id), traceparent=SAMPLED)
        await service.deliver(event)
        await service.round(tracer=Tracer(kept, share=0.0))
    span = kept.one("POST webhook")
    (message,) = receiver.messages
    assert message.headers["traceparent"] == f"00-{TRACE}-{span.span_id:016x}-01"
    assert span.parent_id == 0xB7AD6B7169203331


async def test_without_a_sampled_request_nothing_is_added(
    service: Webhooks, receiver: Receiver
) -> None:
    await service.subscribe(receiver.url)
    session_id = service.catalog.session()
    with tracing() as kept:
        await service.deliver(paid(session_id))
        await service.round(tracer=Tracer(kept, share=1.0))
    assert kept.spans == []
    (message,) = receiver.messages
    assert "traceparent" not in message.headers
