"""/dev/mailbox: what was sent, for people and for tests; there in demo mode without SMTP server only.

Mail is content that somebody else chose: its HTML is shown in a sandboxed frame from an address of
its own, under a policy that lets nothing run and nothing load but pictures of ours.
"""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import jinja2
import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from chassis.auth.access import PUBLIC, access
from chassis.http.readers import reader_of
from chassis.languages import LANGUAGES, texts
from chassis.postgres.pool import Pool
from chassis.problems import NotFound
from chassis.settings import Settings
from notification.mailbox import reading as mailbox
from notification.mailbox.reading import Mail, MailList

TEMPLATES = Path(__file__).parent / "templates"
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: {pictures}; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Asked = Request[Any, Any, Any]
Recipient = Annotated[str | None, QueryParameter(max_length=320)]


class MailboxWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`mailbox.toml` of a language."""

    title: str
    lead: str
    to: str
    everybody: str
    show: str
    mail: str
    sms: str
    none: str
    none_for: str
    all: str
    addressed: str
    as_html: str
    text: str
    headers: str


WORDS = texts("mailbox.toml", MailboxWords)


class MailboxPages:
    """What the routes share. `pool` is set by the app's lifespan."""

    pool: Pool

    def __init__(self, settings: Settings) -> None:
        self._sender = settings.mail_from
        self._open = settings.demo and settings.smtp_url is None
        self._default_language = settings.default_language
        base = urlsplit(settings.base_url)
        self._mail_policy = MAIL_POLICY.format(pictures=f"{base.scheme}://{base.netloc}")
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )

    def must_be_open(self) -> None:
        """Raises NotFound where this mailbox is not for anybody to see."""
        if not self._open:
            raise NotFound()

    async def list_mails(self, recipient: str | None) -> list[Mail]:
        self.must_be_open()
        if recipient is not None and "\x00" in recipient:
            return []  # no address has one, and PostgreSQL takes none
        return await mailbox.list_mails(self.pool, self._sender, recipient or None)

    async def find_mail(self, mail_id: UUID) -> Mail:
        self.must_be_open()
        return await mailbox.find_mail(self.pool, self._sender, mail_id)

    def page(self, request: Asked, name: str, **values: Any) -> Response[str]:
        language = reader_of(request).language(self._default_language)
        values |= {"words": WORDS[language], "tag": LANGUAGES[language].tag}
        html = self._templates.get_template(name).render(values)
        return _answer(html, "text/html", PAGE_POLICY)

    def content(self, mail: Mail) -> Response[str]:
        return _answer(mail.html or "", "text/html", self._mail_policy)

    def stylesheet(self) -> Response[str]:
        css = (TEMPLATES / "mailbox.css").read_text(encoding="utf-8")
        return _answer(css, "text/css", PAGE_POLICY)


def mailbox_routes(pages: MailboxPages) -> list[Any]:
    """The handlers, over their shared pages."""
    public: dict[str, Any] = {"opt": access(PUBLIC), "include_in_schema": False}

    @get("/dev/mailbox", operation_id="show_mailbox", **public)
    async def show_mailbox(request: Asked, to: Recipient = None) -> Response[str]:
        mails = await pages.list_mails(to)
        return pages.page(request, "list.html", mails=mails, to=to or "")

    @get("/dev/mailbox.json", operation_id="list_mailbox", **public)
    async def list_mailbox(to: Recipient = None) -> MailList:
        return MailList(await pages.list_mails(to))

    @get(
        "/dev/mailbox/mailbox.css",
        operation_id="show_mailbox_style",
        sync_to_thread=False,
        **public,
    )
    def show_style() -> Response[str]:
        pages.must_be_open()
        return pages.stylesheet()

    @get("/dev/mailbox/{mail_id:uuid}", operation_id="show_mail", **public)
    async def show_mail(request: Asked, mail_id: FromPath[UUID]) -> Response[str]:
        return pages.page(request, "mail.html", mail=await pages.find_mail(mail_id))

    @get("/dev/mailbox/{mail_id:uuid}/content", operation_id="show_mail_content", **public)
    async def show_content(mail_id: FromPath[UUID]) -> Response[str]:
        return pages.content(await pages.find_mail(mail_id))

    return [show_mailbox, list_mailbox, show_style, show_mail, show_content]


def _answer(content: str, media_type: str, policy: str) -> Response[str]:
    headers = {**HEADERS, "Content-Security-Policy": policy}
    return Response(content, media_type=media_type, headers=headers)
