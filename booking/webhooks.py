"""What providers tell us by webhook: verified by the provider's own rules, each message taken once."""

from collections.abc import Mapping
from typing import Any

from booking.domain.problems import BadSignature, StaleTimestamp
from booking.providers.protocol import Provider
from booking.refund_sending import take_refund_verdict
from booking.seats.holds import SeatHolds
from booking.settlement import Settled, after_settling, settle
from booking.store.payments import take_provider_event
from booking.tickets import Tickets
from chassis import logs
from chassis.postgres import Pool, transaction
from chassis.problems import NotFound, ValidationFailed

log = logs.get("booking")


class Webhooks:
    """Takes a provider's messages, each once."""

    def __init__(
        self,
        pool: Pool,
        *,
        providers: Mapping[str, Provider],
        tickets: Tickets,
        holds: SeatHolds,
    ) -> None:
        self._pool = pool
        self._providers = providers
        self._tickets = tickets
        self._holds = holds

    async def take(self, provider_name: str, headers: Mapping[str, Any], body: bytes) -> None:
        """Returns when it is taken, now or before, or is of no interest. Raises NotFound,
        BadSignature, StaleTimestamp, ValidationFailed, PaymentMismatch."""
        provider = self._providers.get(provider_name)
        if provider is None:
            raise NotFound()
        try:
            event = provider.read_webhook(headers, body)
        except (BadSignature, StaleTimestamp, ValidationFailed) as refused:
            log.warning("webhook_refused", provider=provider_name, reason=refused.code)
            raise
        if event.refund_id is not None and event.refund_verdict is not None:
            async with transaction(self._pool) as one:  # its state is compared: no need to note it
                news = await take_refund_verdict(one, event.refund_id, event.refund_verdict)
            log.info("webhook_taken", provider=provider_name, type=event.type, news=news)
            return
        if event.payment_id is None or event.verdict is None:
            log.info("webhook_ignored", provider=provider_name, type=event.type)
            return
        settled: Settled | None = None
        async with transaction(self._pool) as one:
            if await take_provider_event(
                one, provider_name, event.event_id, event.type, event.payment_id
            ):
                settled = await settle(one, self._tickets, event.payment_id, event.verdict)
        if settled is not None:
            log.info("webhook_taken", provider=provider_name, type=event.type)
            await after_settling(self._holds, settled)
