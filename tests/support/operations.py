"""Steering a session's sale in tests of booking alone."""

from typing import Any
from uuid import UUID, uuid4

from tests.support.api import Answer
from tests.support.booking import BookingApp

WHY = "看台 B 的闸机坏了; the turnstiles of stand B failed"


class Desk:
    """An operator at a booking process."""

    def __init__(self, app: BookingApp, role: str = "operator") -> None:
        self.app, self.user = app, uuid4()
        app.token(self.user, role)

    async def pause(self, session_id: UUID, reason: Any = WHY) -> Answer:
        return await self._act("POST", session_id, "pause", {"reason": reason})

    async def resume(self, session_id: UUID, reason: Any = WHY) -> Answer:
        return await self._act("POST", session_id, "resume", {"reason": reason})

    async def limit(self, session_id: UUID, reason: Any = WHY, **limits: Any) -> Answer:
        return await self._act("PATCH", session_id, "limits", limits | {"reason": reason})

    async def sale(self, session_id: UUID) -> Answer:
        return await self.app.get(f"/operations/sessions/{session_id}/sale", user=self.user)

    async def actions(self, query: str = "") -> Answer:
        return await self.app.get(f"/operations/actions{query}", user=self.user)

    async def _act(self, method: str, session_id: UUID, what: str, body: Any) -> Answer:
        path = f"/operations/sessions/{session_id}/{what}"
        return await self.app.call(method, path, body, user=self.user)
