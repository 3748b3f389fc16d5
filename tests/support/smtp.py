"""A small SMTP server on loopback that keeps its mails and fails when told to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

Reply = Callable[[str], str | None]


class FakeSmtp:
    """`reply(command line)` may answer in place of the server. An empty answer disconnects."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.logins: list[str] = []
        self.reply: Reply = lambda line: None
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 fake ESMTP\r\n")
            while line := await reader.readline():
                text = line.decode().rstrip("\r\n")
                answer = self.reply(text)
                if answer is None:
                    answer = await self._answer(text, reader, writer)
                if not answer:
                    break
                writer.write(f"{answer}\r\n".encode())
                await writer.drain()
                if text.upper() == "QUIT":
                    break
        finally:
            writer.close()

    async def _answer(
        self, text: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str:
        verb = text.split(" ", 1)[0].upper()
        if verb == "EHLO":
            return "250-fake\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250 AUTH PLAIN"
        if verb == "AUTH":
            self.logins.append(text)
            return "235 welcome"
        if verb == "RCPT":
            self.recipients.append(text)
        if verb == "DATA":
            writer.write(b"354 go on\r\n")
            return await self._take(reader)
        return "221 bye" if verb == "QUIT" else "250 ok"

    async def _take(self, reader: asyncio.StreamReader) -> str:
        lines = []
        while (line := await reader.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        self.mails.append(message_from_bytes(b"".join(lines), policy=default))
        answer = self.reply("(the mail is here)")
        return "250 taken" if answer is None else answer


@asynccontextmanager
async def running_smtp() -> AsyncIterator[FakeSmtp]:
    fake = FakeSmtp()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        await server.wait_closed()
