"""A ticket as a page: A5, one font, its reader's language, its code large enough for any scanner.

The QR symbol is drawn as shapes, not as a picture, so it prints sharp at any size. Text is text: it
can be searched and copied.
"""

import logging
from datetime import datetime
from zoneinfo import ZoneInfo

import segno
from babel.dates import format_datetime, format_time
from fpdf import FPDF
from fpdf.enums import TextMode
from fpdf.fonts import TTFFont

from booking.tickets.printing.print import Print
from booking.tickets.printing.typesetting import ELLIPSIS, FONT, fitted, printable
from booking.tickets.printing.words import WORDS, words_of
from chassis.languages import LANGUAGES

logging.getLogger("fpdf").setLevel(logging.ERROR)  # what a font lacks has been replaced before
logging.getLogger("fontTools").setLevel(logging.ERROR)

MM_PER_PT = 25.4 / 72
WIDTH, HEIGHT = 148.0, 210.0
MARGIN = 14.0
INNER = WIDTH - 2 * MARGIN
QR_SIDE = 62.0
QUIET_MODULES = 4  # ISO/IEC 18004
INK, GREY, LINE, ACCENT, PAPER = (
    (26, 23, 20),
    (112, 104, 96),
    (221, 214, 204),
    (196, 43, 28),
    (255, 255, 255),
)
TITLE_SIZES = [(24.0, 2), (19.0, 3), (15.0, 4), (12.0, 6)]
VENUE_SIZES = [(12.0, 1), (10.0, 2), (8.5, 3)]
PROOF_SIZES = [(10.0, 1), (7.5, 2), (5.0, 3)]
SEAT_SIZES = [(17.0, 1), (12.0, 2), (8.5, 3)]
_FIXED = {*range(0x20, 0x7F), ord(ELLIPSIS)}  # besides what the words and the texts of a page need


def draw_ticket(ticket: Print) -> bytes:
    """The page as a PDF of about 15 KB; takes some 80 ms."""
    page = _Page(ticket)
    foot = page.header()
    foot = page.when_and_where(foot)
    page.seat(foot)
    page.code()
    page.proof()
    return page.finished()


class _Page:
    def __init__(self, ticket: Print) -> None:
        self._ticket, self._words = ticket, WORDS[ticket.language]
        language = LANGUAGES[ticket.language]
        local = ticket.starts_at.astimezone(ZoneInfo(ticket.time_zone))
        self._when = printable(format_datetime(local, language.moment, locale=language.locale))
        self._zone = _zone(local, ticket.time_zone)
        self._pdf = pdf = FPDF(unit="mm", format=(WIDTH, HEIGHT))
        pdf.set_auto_page_break(False)
        pdf.set_margin(0)
        pdf.c_margin = 0
        own = [ticket.title, ticket.venue, ticket.area, ticket.row]
        own += [ticket.category_name or "", ticket.proof or ""]
        letters = _FIXED | {ord(one) for text in own for one in printable(text)}
        letters |= set(map(ord, self._when + "".join(words_of(self._words))))
        # only what is used is looked up in the font, and its bounds, which nobody asks for, are not
        # measured anew: together half of the time that a page takes
        pdf.add_font("ticket", fname=FONT, unicode_range=sorted(letters))
        font = pdf.fonts["ticket"]
        assert isinstance(font, TTFFont)
        font.ttfont.recalcBBoxes = False
        pdf.set_title(printable(ticket.title))
        pdf.set_creator("Stampede")
        pdf.set_lang(language.tag)
        pdf.add_page()

    def header(self) -> float:
        """The title on its band; returns where the band ends."""
        size, lines = fitted(printable(self._ticket.title), self._width, INNER, TITLE_SIZES)
        leading = size * MM_PER_PT * 1.32
        end = 24 + leading * len(lines)
        self._pdf.set_fill_color(*ACCENT)
        self._pdf.rect(0, 0, WIDTH, end, style="F")
        self._write(MARGIN, 12.5, "STAMPEDE", 8.5, PAPER, bold=True)
        right = self._words.kind
        self._write(WIDTH - MARGIN - self._width(right, 8.5), 12.5, right, 8.5, PAPER)
        for number, line in enumerate(lines):
            self._write(
                MARGIN,
                17 + leading * (number + 1) - size * 0.1 * MM_PER_PT,
                line,
                size,
                PAPER,
                bold=True,
            )
        return end

    def when_and_where(self, top: float) -> float:
        y = top + 10
        self._write(MARGIN, y, self._when, 15, INK, bold=True)
        self._write(MARGIN, y + 5.5, self._zone, 8, GREY)
        size, lines = fitted(printable(self._ticket.venue), self._width, INNER, VENUE_SIZES)
        y += 13
        for line in lines:
            self._write(MARGIN, y, line, size, INK)
            y += size * MM_PER_PT * 1.3
        return y

    def seat(self, top: float) -> None:
        """Area, row and seat in columns, and the category if there is one. A standing place has neither row
        nor number."""
        ticket, words = self._ticket, self._words
        cells = [(words.area, printable(ticket.area))]
        if ticket.row:
            cells += [(words.row, printable(ticket.row)), (words.seat, str(ticket.number))]
        else:
            cells.append((words.entry, words.standing))
        self._rule(top)
        parts = [0.52, *([0.48 / (len(cells) - 1)] * (len(cells) - 1))]
        if ticket.category_name:
            cells.append((words.category, printable(ticket.category_name)))
            parts = [*(0.72 * part for part in parts), 0.28]
        widths = [INNER * part for part in parts]
        x = MARGIN
        for (label, value), width in zip(cells, widths, strict=True):
            self._write(x, top + 6, label, 7, GREY)
            size, lines = fitted(value, self._width, width - 4, SEAT_SIZES)
            for number, line in enumerate(lines):
                y = top + 13 + number * size * MM_PER_PT * 1.25
                self._write(x, y, line, size, INK, bold=True)
            x += width

    def code(self) -> None:
        ticket, pdf, words = self._ticket, self._pdf, self._words
        top = HEIGHT - 92
        pdf.set_dash_pattern(dash=1.2, gap=1.2)
        self._rule(top - 5)
        pdf.set_dash_pattern()
        if ticket.void:
            self._centred(top + QR_SIDE / 2, words.void, 34, ACCENT, bold=True)
        else:
            self._symbol((WIDTH - QR_SIDE) / 2, top - 2)
        order = words.order.format(order_no=printable(ticket.order_no))
        self._centred(top + QR_SIDE + 3, order, 9, INK)
        self._centred(top + QR_SIDE + 7.5, ticket.ticket_id, 6.5, GREY)
        for number, note in enumerate(words.notes):
            self._centred(HEIGHT - 13 + 4 * number, note, 6.5, GREY)

    def proof(self) -> None:
        """What has to be shown at the door, between code and notes."""
        if not self._ticket.proof:
            return
        text = self._words.proof.format(proof=printable(self._ticket.proof))
        size, lines = fitted(text, self._width, INNER, PROOF_SIZES)
        for number, line in enumerate(lines):
            y = HEIGHT - 18.5 + (number - len(lines) + 1) * size * MM_PER_PT * 1.2
            self._centred(y, line, size, ACCENT, bold=True)

    def finished(self) -> bytes:
        return bytes(self._pdf.output())

    def _symbol(self, x: float, y: float) -> None:
        """Runs of dark modules as rectangles."""
        rows = [bytes(row) for row in segno.make(self._ticket.code, error="m", micro=False).matrix]
        side = QR_SIDE / (len(rows) + 2 * QUIET_MODULES)
        self._pdf.set_fill_color(0, 0, 0)
        for line, row in enumerate(rows, QUIET_MODULES):
            start = 0
            while (start := row.find(1, start)) >= 0:
                end = row.find(0, start)
                end = len(row) if end < 0 else end
                left = x + (start + QUIET_MODULES) * side
                # a hair of overlap: renderers leave white seams between touching shapes
                self._pdf.rect(left, y + line * side, (end - start) * side, side * 1.02, style="F")
                start = end

    def _width(self, text: str, size: float) -> float:
        self._pdf.set_font("ticket", size=size)
        return float(self._pdf.get_string_width(text))

    def _write(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: tuple[int, int, int],
        *,
        bold: bool = False,
    ) -> None:
        """`y`: the base line. Bold is the same outline with a stroke round it: one font is enough."""
        pdf = self._pdf
        pdf.set_font("ticket", size=size)
        pdf.set_text_color(*colour)
        with pdf.local_context():
            if bold:
                pdf.set_draw_color(*colour)
                pdf.set_line_width(size * 0.028 * MM_PER_PT)
                pdf.text_mode = TextMode.FILL_STROKE
            pdf.text(x, y, text)

    def _centred(
        self, y: float, text: str, size: float, colour: tuple[int, int, int], *, bold: bool = False
    ) -> None:
        self._write((WIDTH - self._width(text, size)) / 2, y, text, size, colour, bold=bold)

    def _rule(self, y: float) -> None:
        self._pdf.set_draw_color(*LINE)
        self._pdf.set_line_width(0.3)
        self._pdf.line(MARGIN, y, WIDTH - MARGIN, y)


def _zone(local: datetime, name: str) -> str:
    """`Asia/Shanghai, UTC+8`: a name alone tells a traveller little."""
    return f"{name}, {format_time(local, 'OOOO', locale='en').replace('GMT', 'UTC')}"
