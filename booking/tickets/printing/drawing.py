"""The process that draws pages for printer.py. Only it imports what draws them."""

import msgspec

from booking.tickets.printing.page import draw_ticket
from booking.tickets.printing.print import Print
from chassis.concurrency.answering import answer_questions

_decoder = msgspec.msgpack.Decoder(Print)


def draw_page(question: bytes) -> bytes:
    return draw_ticket(_decoder.decode(question))


if __name__ == "__main__":
    answer_questions(draw_page)
