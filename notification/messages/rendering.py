"""Messages from templates: whole texts a language (`languages/<code>/messages/`), numbers and times as its
readers write them. What mails of every language are put together from is in `templates/` here."""

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from babel.core import Locale
from babel.dates import format_datetime, get_timezone, get_timezone_name
from babel.numbers import format_currency, get_currency_precision

from chassis.languages import FOLDER, LANGUAGES, Reader
from contracts.booking import IssuedTicket, OrderCreated, OrderItem, OrderPaid, RefundItem
from contracts.receipts import Breakdown, breakdown_of
from contracts.seats import seat_line
from notification.messages.planning import Matter

# a name costs a parse a use
LOCALES = {code: Locale.parse(language.locale) for code, language in LANGUAGES.items()}
SUBJECT_LENGTH_MAX = 200
FORGOT_PAGE = "{base_url}/#/forgot"
RESET_PAGE = "{base_url}/#/reset?token={token}"  # behind #: browsers send it to nobody
TICKETS_PAGE = "{base_url}/#/tickets"
ORDER_PAGE = "{base_url}/#/orders/{order_id}"  # the storefront's page of an order
REMEMBERED_MAX = 4096  # prices and times as written: those of one sale are much the same


class Rendered(msgspec.Struct, frozen=True):
    subject: str
    text: str
    html: str | None = None


class Renderer:
    """`base_url`: where links lead, without a trailing slash. Raises jinja2's errors on a template
    that names what is not there, so a test that renders each finds every slip."""

    def __init__(self, base_url: str, default_language: str) -> None:
        self._base_url = base_url
        self._default_language = default_language
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader([FOLDER, Path(__file__).parent / "templates"]),
            autoescape=jinja2.select_autoescape(["html"]),
            undefined=jinja2.StrictUndefined,
            auto_reload=False,  # no look at the files for each mail
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def language_of(self, locale: str) -> str:
        """The language of our templates for an account's locale: `zh-Hans-CN` → `zh`."""
        return Reader(chosen=(locale,)).language(self._default_language)

    def mail(
        self, template: str, language: str, matter: Matter, name: str, link: str = ""
    ) -> Rendered:
        """`name` is how the account's owner is called, `link` the token of one that opens something."""
        write = self._writer(template, language, matter, name, link)
        return Rendered(
            subject=_one_line(write("subject.txt")), text=write("txt"), html=write("html")
        )

    def sms(self, template: str, language: str, matter: Matter, name: str) -> Rendered:
        """A text of one paragraph; its subject is only what the mailbox lists it by."""
        write = self._writer(template, language, matter, name)
        return Rendered(
            subject=_one_line(write("subject.txt")), text=_one_line(write("sms.txt"), 1000)
        )

    def _writer(
        self, template: str, language: str, matter: Matter, name: str, link: str = ""
    ) -> Callable[[str], str]:
        zone = _zone(getattr(matter, "time_zone", "UTC"))
        values: dict[str, Any] = {
            "tag": LANGUAGES[language].tag,
            "order": matter,
            "name": _one_line(name),
            "order_url": ORDER_PAGE.format(
                base_url=self._base_url, order_id=getattr(matter, "order_id", "")
            ),
            "tickets_url": TICKETS_PAGE.format(base_url=self._base_url),
            "forgot_url": FORGOT_PAGE.format(base_url=self._base_url),
            "reset_url": RESET_PAGE.format(base_url=self._base_url, token=link),
            "home_url": self._base_url,
            "costs": _costs(matter),
            "prices": {item.seat_id: item.price for item in getattr(matter, "items", ())},
            "money": lambda amount: money(amount, getattr(matter, "currency", "CNY"), language),
            "when": lambda moment: when(moment, zone, language),
            "rate": lambda basis_points: f"{Decimal(basis_points) / 100}%",
            "seat": lambda place: _seat(place, language),
        }

        def write(ending: str) -> str:
            name = f"{language}/messages/{template}.{ending}"
            return self._templates.get_template(name).render(values)

        return write


def _costs(order: Matter) -> Breakdown | None:
    """What the order costs, line by line."""
    if isinstance(order, OrderCreated | OrderPaid):
        return breakdown_of(order.items, order.total_amount)
    return None


def _seat(place: OrderItem | IssuedTicket | RefundItem, language: str) -> str:
    """With the price category, if it is of one."""
    line = seat_line(place.area, place.row, place.number, language)
    return f"{line} · {place.category_name}" if place.category_name else line


@lru_cache(REMEMBERED_MAX)
def money(amount: int, currency: str, language: str) -> str:
    """Minor units as people write them: 128000, CNY → `¥1,280.00`."""
    whole = Decimal(amount).scaleb(-get_currency_precision(currency))
    return format_currency(whole, currency, locale=LOCALES[language])


@lru_cache(REMEMBERED_MAX)
def when(moment: datetime, zone: tzinfo, language: str) -> str:
    """The moment on the venue's clock, with the name of its zone."""
    locale = LOCALES[language]
    words = LANGUAGES[language]
    text = format_datetime(moment, words.moment, tzinfo=zone, locale=locale)
    zone_name = get_timezone_name(moment.astimezone(zone), width="long", locale=locale)
    return words.moment_in_zone.format(moment=text, zone=zone_name)


@lru_cache(REMEMBERED_MAX)
def _zone(name: str) -> tzinfo:
    """A zone that this machine does not know is shown as UTC, and says so, rather than not at all."""
    try:
        return get_timezone(name)
    except LookupError:
        return UTC


def _one_line(text: str, length_max: int = SUBJECT_LENGTH_MAX) -> str:
    """For headers and greetings: one line without characters that print nothing."""
    line = " ".join(text.split())
    if line.isprintable():  # then it has none of them
        return line[:length_max]
    kept = "".join(char for char in line if unicodedata.category(char) not in {"Cc", "Cf", "Cs"})
    return kept[:length_max]
