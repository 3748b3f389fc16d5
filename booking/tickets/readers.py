"""Which language tickets and calendar entries are read in."""

import asyncio
from uuid import UUID

import msgspec

from booking.clients.identity import KnownAccounts
from chassis.languages import LANGUAGES, Reader, code_of
from chassis.problems import Problem

OWNER_PATIENCE_S = 0.5  # a page in another language is better than none


class Readers:
    """What the reader chose: for this answer, or in their profile; then as chassis.languages has it."""

    def __init__(self, accounts: KnownAccounts, default_language: str) -> None:
        self._accounts = accounts
        self._default = default_language

    async def language(self, reader: Reader, owner: UUID) -> str:
        """`owner`: whose the ticket or order is."""
        if not any(wish is not None and code_of(wish) in LANGUAGES for wish in reader.chosen):
            chosen = (*reader.chosen, await self._chosen_by(owner))
            reader = msgspec.structs.replace(reader, chosen=chosen)
        return reader.language(self._default)

    def language_at_door(self, reader: Reader) -> str:
        """Of whoever scans: without asking for their account, for nobody waits at a door for a word."""
        return reader.language(self._default)

    async def _chosen_by(self, owner: UUID) -> str | None:
        """None while accounts cannot be asked."""
        try:
            async with asyncio.timeout(OWNER_PATIENCE_S):
                account = await self._accounts.find(owner)
        except (Problem, TimeoutError):
            return None
        return None if account is None else account.locale
