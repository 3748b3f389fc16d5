"""The mailbox as a channel: stores messages in PostgreSQL, many in one statement."""

from collections.abc import Sequence

from chassis.concurrency.coalescer import Coalescer
from chassis.ids import uuid7
from chassis.postgres.pool import Pool
from notification.mailbox import store
from notification.mailbox.store import NewMail
from notification.outgoing import Outgoing, must_fit_a_header

MAILBOX_BATCH_MAX = 64  # mails a statement


class MailboxChannel:
    """Stores messages in the `mailbox` table, each Message-ID once. Concurrent messages share a statement."""

    def __init__(self, pool: Pool, name: str, sender: str) -> None:
        self._pool = pool
        self._name = name
        self._sender = sender
        self._mails: Coalescer[NewMail, None] = Coalescer(
            self._put,
            batch_max=MAILBOX_BATCH_MAX,
            queue_max=16 * MAILBOX_BATCH_MAX,
            name="notification_mailbox",
        )

    async def send(self, message: Outgoing) -> None:
        for value in (self._sender, message.recipient, message.subject):
            must_fit_a_header(value)
        await self._mails.call(
            NewMail(
                mail_id=uuid7(),
                header_id=message.header_id,
                recipient=message.recipient,
                language=message.language,
                subject=message.subject,
                text=message.text,
                html=message.html,
            )
        )

    async def _put(self, mails: Sequence[NewMail]) -> list[None]:
        await store.put_mails(self._pool, self._name, mails)
        return [None] * len(mails)
