"""Builds the channels that the settings choose."""

from chassis.postgres.pool import Pool
from chassis.settings import Settings
from notification.mailbox.channel import MAILBOX_BATCH_MAX, MailboxChannel
from notification.messages.channels import SMTP_CONCURRENCY, SmtpChannel
from notification.messages.planning import EMAIL, SMS
from notification.outgoing import Channel


def messages_at_once(settings: Settings) -> int:
    """How many messages a sender should claim at once to keep the channels busy."""
    return MAILBOX_BATCH_MAX if settings.smtp_url is None else SMTP_CONCURRENCY


def open_channels(settings: Settings, pool: Pool) -> dict[str, Channel]:
    """The channels, by name."""
    if settings.smtp_url is not None:
        return {EMAIL: SmtpChannel(settings.smtp_url, settings.mail_from)}
    return {
        EMAIL: MailboxChannel(pool, EMAIL, settings.mail_from),
        SMS: MailboxChannel(pool, SMS, settings.mail_from),
    }
