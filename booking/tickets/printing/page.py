"""A ticket as a page: A5, one font, Chinese and English, its code large enough for any scanner.

The QR symbol is drawn as shapes, not as a picture, so it prints sharp at any size. Text is text: it
can be searched and copied.
"""

import logging
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import segno
from babel.dates import format_datetime, format_time
from fpdf import FPDF
from fpdf.enums import TextMode
from fpdf.fonts import TTFFont

from booking.tickets.printing.typesetting import ELLIPSIS, FONT, fitted, printable

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
SEAT_SIZES = [(17.0, 1), (12.0, 2), (8.5, 3)]
FOOTNOTES = (
    "入场时出示此码，每张票仅限一人入场一次。请勿公开分享，以免被他人先行使用。",
    "Show this code at the door. It admits one person, once: whoever has it can use it before you.",
)
LABELS = ("区域 AREA", "排 ROW", "座 SEAT", "入场 ENTRY")
STANDING = "站席 Standing"
KIND, VOID, ORDER = "电子票 · Ticket", "已作废 VOID", "订单 Order"
_DATES = "年月日星期一二三四五六" + ELLIPSIS
_FIXED = {
    *range(0x20, 0x7F),
    *map(ord, "".join((*FOOTNOTES, *LABELS, STANDING, KIND, VOID, ORDER, _DATES))),
}


class Print(msgspec.Struct, frozen=True, kw_only=True):
    """What is printed. `code`: what the QR symbol holds; `void`: the ticket is void."""

    ticket_id: str
    order_no: str
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    area: str
    row: str
    number: int
    code: str
    void: bool


def draw_ticket(ticket: Print) -> bytes:
    """The page as a PDF of about 15 KB; takes some 80 ms."""
    page = _Page(ticket)
    foot = page.header()
    foot = page.when_and_where(foot)
    page.seat(foot)
    page.code()
    return page.finished()


class _Page:
    def __init__(self, ticket: Print) -> None:
        self._ticket = ticket
        self._pdf = pdf = FPDF(unit="mm", format=(WIDTH, HEIGHT))
        pdf.set_auto_page_break(False)
        pdf.set_margin(0)
        pdf.c_margin = 0
        own = (ticket.title, ticket.venue, ticket.area, ticket.row)
        letters = _FIXED | {ord(one) for text in own for one in printable(text)}
        # only what is used is looked up in the font, and its bounds, which nobody asks for, are not
        # measured anew: together half of the time that a page takes
        pdf.add_font("ticket", fname=FONT, unicode_range=sorted(letters))
        font = pdf.fonts["ticket"]
        assert isinstance(font, TTFFont)
        font.ttfont.recalcBBoxes = False
        pdf.set_title(printable(ticket.title))
        pdf.set_creator("Stampede")
        pdf.set_lang("zh-CN")
        pdf.add_page()

    def header(self) -> float:
        """The title on its band; returns where the band ends."""
        size, lines = fitted(printable(self._ticket.title), self._width, INNER, TITLE_SIZES)
        leading = size * MM_PER_PT * 1.32
        end = 24 + leading * len(lines)
        self._pdf.set_fill_color(*ACCENT)
        self._pdf.rect(0, 0, WIDTH, end, style="F")
        self._write(MARGIN, 12.5, "STAMPEDE", 8.5, PAPER, bold=True)
        right = KIND
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
        local = self._ticket.starts_at.astimezone(ZoneInfo(self._ticket.time_zone))
        y = top + 10
        chinese = format_datetime(local, "y年M月d日 EEEE HH:mm", locale="zh_CN")
        english = format_datetime(local, "EEE d MMM y, HH:mm", locale="en")
        self._write(MARGIN, y, printable(chinese), 15, INK, bold=True)
        self._write(MARGIN, y + 5.5, f"{english} ({_zone(local, self._ticket.time_zone)})", 8, GREY)
        size, lines = fitted(printable(self._ticket.venue), self._width, INNER, VENUE_SIZES)
        y += 13
        for line in lines:
            self._write(MARGIN, y, line, size, INK)
            y += size * MM_PER_PT * 1.3
        return y

    def seat(self, top: float) -> None:
        """Area, row and seat in columns; a standing place has neither row nor number."""
        ticket = self._ticket
        area, row, seat, entry = LABELS
        cells = [(area, printable(ticket.area))]
        if ticket.row:
            cells += [(row, printable(ticket.row)), (seat, str(ticket.number))]
        else:
            cells.append((entry, STANDING))
        self._rule(top)
        widths = [INNER * 0.52, *([INNER * 0.48 / (len(cells) - 1)] * (len(cells) - 1))]
        x = MARGIN
        for (label, value), width in zip(cells, widths, strict=True):
            self._write(x, top + 6, label, 7, GREY)
            size, lines = fitted(value, self._width, width - 4, SEAT_SIZES)
            for number, line in enumerate(lines):
                y = top + 13 + number * size * MM_PER_PT * 1.25
                self._write(x, y, line, size, INK, bold=True)
            x += width

    def code(self) -> None:
        ticket, pdf = self._ticket, self._pdf
        top = HEIGHT - 92
        pdf.set_dash_pattern(dash=1.2, gap=1.2)
        self._rule(top - 5)
        pdf.set_dash_pattern()
        if ticket.void:
            self._centred(top + QR_SIDE / 2, VOID, 34, ACCENT, bold=True)
        else:
            self._symbol((WIDTH - QR_SIDE) / 2, top - 2)
        self._centred(top + QR_SIDE + 3, f"{ORDER} {printable(ticket.order_no)}", 9, INK)
        self._centred(top + QR_SIDE + 7.5, ticket.ticket_id, 6.5, GREY)
        for number, note in enumerate(FOOTNOTES):
            self._centred(HEIGHT - 13 + 4 * number, note, 6.5, GREY)

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
