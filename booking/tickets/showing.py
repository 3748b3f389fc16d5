"""Showing tickets to those who may see them: as JSON, QR picture, PDF page and calendar entry."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec

from booking.domain.ticket import TicketStatus
from booking.tickets import store
from booking.tickets.codes import TicketCodes
from booking.tickets.printing.calendar import Entry, calendar_of
from booking.tickets.printing.press import Lane
from booking.tickets.printing.print import Print
from booking.tickets.printing.printer import PagePrinter
from booking.tickets.printing.symbol import Format, Symbol, draw_symbol
from booking.tickets.readers import Readers
from booking.tickets.records import Ticket
from booking.tickets.transfers_store import list_tickets
from booking.tickets.wire import TicketAnswer, TicketPage
from chassis.clock import second, whole_second
from chassis.http.pagination import offset
from chassis.languages import Reader
from chassis.postgres.pool import Pool, connection
from chassis.problems import NotFound, Unauthenticated
from contracts.seats import seat_line

PICTURES_MAX = 512  # cached; an SVG is about 20 KB, a PNG 2 KB
PICTURES_WAITING_MAX = 128  # two seconds of work; clients do not wait longer
PICTURES_EACH_MAX = 24  # one page of the storefront shows all tickets of the largest order
PAGES_MAX = 64  # cached; a page is about 20 KB
PAGES_WAITING_MAX = 24  # two seconds of work
PAGES_EACH_MAX = 6


class Lanes(msgspec.Struct, frozen=True):
    """Two lanes that draw tickets: QR pictures and PDF pages."""

    pictures: Lane[Symbol]
    pages: Lane[Print]


@asynccontextmanager
async def open_lanes(printer: PagePrinter | None = None) -> AsyncIterator[Lanes]:
    """The printer, one of its own where none is given, is closed with them."""
    printer = printer or PagePrinter()
    loop = asyncio.get_running_loop()
    at_symbols = ThreadPoolExecutor(1, thread_name_prefix="symbols")
    at_pages = ThreadPoolExecutor(1, thread_name_prefix="pages")
    pictures: Lane[Symbol] = Lane(
        lambda symbol: loop.run_in_executor(at_symbols, draw_symbol, symbol),
        waiting_max=PICTURES_WAITING_MAX,
        each_max=PICTURES_EACH_MAX,
        kept_max=PICTURES_MAX,
    )
    pages: Lane[Print] = Lane(
        lambda page: loop.run_in_executor(at_pages, printer.draw, page),
        waiting_max=PAGES_WAITING_MAX,
        each_max=PAGES_EACH_MAX,
        kept_max=PAGES_MAX,
    )
    try:
        yield Lanes(pictures, pages)
    finally:
        printer.close()
        await pictures.close()
        await pages.close()
        for threads in (at_symbols, at_pages):
            threads.shutdown(wait=False, cancel_futures=True)


class Tickets:
    """Shows tickets to their owners, and to anybody with the mailed link."""

    def __init__(self, pool: Pool, codes: TicketCodes, lanes: Lanes, readers: Readers) -> None:
        self._pool = pool
        self._codes = codes
        self._lanes = lanes
        self._readers = readers

    async def get(self, ticket_id: UUID, user_id: UUID) -> TicketAnswer:
        """Raises NotFound if the ticket is not the user's own."""
        return self._answer(await self._own(ticket_id, user_id))

    async def of_user(
        self, user_id: UUID, *, status: str | None, page: int, page_size: int
    ) -> TicketPage:
        """Newest first: bought and received tickets."""
        async with connection(self._pool) as db:
            found, total = await list_tickets(
                db, user_id, status=status, limit=page_size, offset=offset(page, page_size)
            )
        tickets = [self._answer(ticket) for ticket in found]
        return TicketPage(tickets=tickets, page=page, page_size=page_size, total=total)

    def _answer(self, ticket: Ticket) -> TicketAnswer:
        return TicketAnswer(
            ticket_id=ticket.ticket_id,
            order_id=ticket.order_id,
            session_id=ticket.session_id,
            status=ticket.status,
            void_reason=ticket.void_reason,
            title=ticket.title,
            venue=ticket.venue,
            starts_at=whole_second(ticket.starts_at),
            time_zone=ticket.time_zone,
            seat_id=ticket.seat_id,
            area=ticket.area,
            row=ticket.row,
            number=ticket.number,
            category=ticket.category,
            category_name=ticket.category_name,
            proof=ticket.proof,
            code=ticket.code,
            qr_code=self._codes.qr_url(ticket.ticket_id),
            pdf=self._codes.url(ticket.ticket_id, "ticket.pdf"),
            calendar=self._codes.url(ticket.ticket_id, "ticket.ics"),
            checked_in_at=second(ticket.checked_in_at),
            given_to=ticket.given_to,
            given_at=second(ticket.given_at),
            received_from=ticket.received_from,
            received_at=second(ticket.received_at),
            session_cancelled_for=ticket.session_cancelled_for,
        )

    async def picture(
        self, ticket_id: UUID, kind: Format, *, link: str | None, user_id: UUID | None
    ) -> bytes:
        """The QR code; `_shown` checks access. Raises Overloaded if too many wait to be drawn."""
        ticket = await self._shown(ticket_id, link=link, user_id=user_id)
        return await self._lanes.pictures.get(ticket.user_id, Symbol(ticket.code, kind))

    async def page(
        self, ticket_id: UUID, *, link: str | None, user_id: UUID | None, reader: Reader
    ) -> tuple[str, bytes]:
        """A file name and the PDF. Raises Overloaded if too many wait to be drawn."""
        ticket = await self._shown(ticket_id, link=link, user_id=user_id)
        wanted = Print(
            language=await self._readers.language(reader, ticket.user_id),
            ticket_id=str(ticket.ticket_id),
            order_no=ticket.order_no,
            title=ticket.title,
            venue=ticket.venue,
            starts_at=ticket.starts_at,
            time_zone=ticket.time_zone,
            area=ticket.area,
            row=ticket.row,
            number=ticket.number,
            category_name=ticket.category_name,
            proof=ticket.proof,
            code=ticket.code,
            void=ticket.status == TicketStatus.VOID,
        )
        page = await self._lanes.pages.get(ticket.user_id, wanted)
        return f"ticket-{ticket.order_no}-{ticket.seat_id}.pdf", page

    async def calendar(
        self, ticket_id: UUID, *, link: str | None, user_id: UUID | None, reader: Reader
    ) -> tuple[str, bytes]:
        """A file name and a calendar with the ticket's session."""
        ticket = await self._shown(ticket_id, link=link, user_id=user_id)
        language = await self._readers.language(reader, ticket.user_id)
        entry = Entry(
            language=language,
            uid=f"ticket-{ticket.ticket_id}@stampede",
            title=ticket.title,
            venue=ticket.venue,
            starts_at=ticket.starts_at,
            changed_at=ticket.issued_at,
            order_no=ticket.order_no,
            seats=[seat_line(ticket.area, ticket.row, ticket.number, language)],
            url=self._codes.order_url(ticket.order_id),
            cancelled=ticket.status == TicketStatus.VOID,
        )
        return f"ticket-{ticket.order_no}-{ticket.seat_id}.ics", calendar_of(entry)

    async def _shown(self, ticket_id: UUID, *, link: str | None, user_id: UUID | None) -> Ticket:
        """Checks access: with a valid link anybody may see the ticket, else only its owner."""
        if link is None or not self._codes.opens(ticket_id, link):
            if user_id is None:
                raise Unauthenticated()
            return await self._own(ticket_id, user_id)
        async with connection(self._pool) as db:
            ticket = await store.get_ticket(db, ticket_id)
        if ticket is None:
            raise NotFound()
        return ticket

    async def _own(self, ticket_id: UUID, user_id: UUID) -> Ticket:
        async with connection(self._pool) as db:
            ticket = await store.get_ticket(db, ticket_id)
        if ticket is None or ticket.user_id != user_id:
            raise NotFound()
        return ticket
