"""Transfers a ticket to another account: it becomes void, the recipient gets a new one with a new code.

    own ticket → recipient's account → once per key: void (compare-and-set) → new ticket → event

Only the ticket moves. The order and its money stay with the buyer. So does the count towards the ticket
limit, which counts purchases (docs/adr/0019).
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import msgspec

from booking.clients.identity import KnownAccounts, NoAddress
from booking.domain.masking import masked
from booking.domain.problems import RecipientUnknown, TicketNotTransferable
from booking.events.history import history_entry
from booking.events.store import record_and_publish
from booking.tickets import transfers_store as store
from booking.tickets.issuing import TicketIssuing
from booking.tickets.transfers_store import VoidedTicket
from booking.tickets.wire import TransferAnswer
from chassis.clock import whole_second
from chassis.events.envelope import pending
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection, transaction
from chassis.problems import FieldError, NotFound, Problem, RateLimited, ValidationFailed
from contracts.booking import TICKET_TRANSFERRED, IssuedTicket, TicketTransferred
from contracts.identity import Account

log = logs.get("booking")

MISSES_MAX = 10  # addresses without an account a person may try in MISSES_WITHIN_S
MISSES_WITHIN_S = 3600


class Handover(msgspec.Struct, frozen=True):
    """The recipient of a ticket, and the masked addresses of giver and recipient."""

    recipient: Account
    from_name: str | None
    to_name: str


class Transfers:
    """Call `recipient` before the transaction, then `move` inside it."""

    def __init__(self, pool: Pool, *, tickets: TicketIssuing, buyers: KnownAccounts) -> None:
        self._pool = pool
        self._tickets = tickets
        self._buyers = buyers

    async def recipient(self, user_id: UUID, ticket_id: UUID, email: str) -> Handover | None:
        """The recipient of the user's ticket; None if the ticket cannot be transferred.

        This check comes first, so only the holder of a transferable ticket can learn who has an account,
        with few guesses. Raises NotFound, RecipientUnknown, RateLimited, ValidationFailed.
        """
        async with connection(self._pool) as db:
            transferable = await store.get_transferable(db, ticket_id, user_id)
            if transferable is None:
                raise NotFound()
            if not transferable:
                return None
        async with self._guess(user_id):
            account = await self._account(email)
            if account is not None and account.user_id == user_id:
                raise ValidationFailed(errors=[FieldError("to_email", "is your own address")])
            if account is None or not account.active:
                raise RecipientUnknown()
        giver = await self._buyers.find(user_id)
        return Handover(account, masked(giver.email) if giver else None, masked(account.email))

    @contextlib.asynccontextmanager
    async def _guess(self, user_id: UUID) -> AsyncIterator[None]:
        """Counts a guess before the look-up, so that parallel guesses have no advantage. Uncounts it unless
        the look-up ends with RecipientUnknown. Raises RateLimited."""
        async with transaction(self._pool) as tx:
            taken_at = await store.take_guess(
                tx, user_id, most=MISSES_MAX, within_s=MISSES_WITHIN_S
            )
        if taken_at is None:
            raise RateLimited(headers={"Retry-After": str(MISSES_WITHIN_S)})
        try:
            yield
        except RecipientUnknown:
            raise
        except Problem:
            await self._give_back(user_id, taken_at)
            raise
        else:
            await self._give_back(user_id, taken_at)

    async def _give_back(self, user_id: UUID, taken_at: datetime) -> None:
        async with connection(self._pool) as db:
            await store.give_guess_back(db, user_id, taken_at)

    async def move(
        self, tx: Connection, user_id: UUID, ticket_id: UUID, handover: Handover | None
    ) -> TransferAnswer:
        """Transfers the ticket in the caller's transaction. Raises TicketNotTransferable."""
        if handover is None:
            raise TicketNotTransferable()
        recipient = handover.recipient
        voided = await store.void_transferred(tx, ticket_id, user_id)
        if voided is None:
            raise TicketNotTransferable()
        transfer_id = uuid7()
        (new,) = self._tickets.new_tickets(voided.session_id, [voided.seat_id])
        moment = await store.insert_transfer(
            tx,
            transfer_id,
            voided,
            ticket_id=ticket_id,
            new=new,
            from_user_id=user_id,
            to_user_id=recipient.user_id,
            from_name=handover.from_name,
            to_name=handover.to_name,
        )
        answer = TransferAnswer(
            transfer_id=transfer_id,
            status="transferred",
            ticket_id=ticket_id,
            new_ticket_id=new.ticket_id,
            session_id=voided.session_id,
            seat_id=voided.seat_id,
            area=voided.area,
            row=voided.row,
            number=voided.number,
            transferred_at=whole_second(moment),
            given_to=handover.to_name,
        )
        told = self._told(answer, voided, user_id, recipient.user_id)
        about = {
            "transfer_id": transfer_id,
            "ticket_id": ticket_id,
            "new_ticket_id": new.ticket_id,
            "seat_id": voided.seat_id,
        }
        await record_and_publish(
            tx,
            [history_entry(voided.order_id, TICKET_TRANSFERRED, about)],
            [pending(TICKET_TRANSFERRED, str(voided.order_id), told)],
        )
        log.info(
            "ticket_transferred", ticket=ticket_id, new_ticket=new.ticket_id,
            order=voided.order_id, user=user_id, recipient=recipient.user_id,
        )  # fmt: skip
        return answer

    async def _account(self, email: str) -> Account | None:
        try:
            return await self._buyers.find_by_email(email)
        except NoAddress:
            error = FieldError("to_email", "is not an e-mail address")
            raise ValidationFailed(errors=[error]) from None

    def _told(
        self, answer: TransferAnswer, voided: VoidedTicket, from_user_id: UUID, to_user_id: UUID
    ) -> TicketTransferred:
        return TicketTransferred(
            transfer_id=answer.transfer_id,
            order_id=voided.order_id,
            order_no=voided.order_no,
            from_user_id=from_user_id,
            to_user_id=to_user_id,
            session_id=voided.session_id,
            title=voided.title,
            venue=voided.venue,
            starts_at=whole_second(voided.starts_at),
            time_zone=voided.time_zone,
            ticket_id=answer.ticket_id,
            ticket=IssuedTicket(
                answer.new_ticket_id,
                voided.seat_id,
                voided.area,
                voided.row,
                voided.number,
                self._tickets.qr_url(answer.new_ticket_id),
                voided.category_name,
                voided.proof,
            ),
        )
