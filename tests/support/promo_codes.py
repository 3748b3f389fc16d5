"""Promo codes as organizers create them and buyers use them."""

from typing import Any
from uuid import UUID

from tests.support.api import Answer
from tests.support.booking import SEATED, BookingApp


class Stall:
    """A session on sale, its organizer, and short methods for organizer and buyers."""

    def __init__(self, app: BookingApp, **terms: Any) -> None:
        self.app = app
        self.session_id = app.neighbours.publish(rows=4, **terms)
        self.terms = app.neighbours.terms[self.session_id]
        self.organizer = self.terms.organizer_id
        app.token(self.organizer, "organizer")
        self.path = f"/shows/{self.terms.show_id}/promo-codes"

    async def make(self, user: UUID | None = None, key: str = "", **fields: Any) -> Answer:
        body = {"code": "EARLY", "kind": "percent", "value": 10, **fields}
        headers = {"Idempotency-Key": key} if key else None
        return await self.app.post(self.path, body, user=user or self.organizer, headers=headers)

    async def buy(
        self, user: UUID, code: str, *, seats: list[int] | None = None, key: str = "", **more: Any
    ) -> Answer:
        body: dict[str, Any] = {"session_id": self.session_id, "promo_code": code}
        body |= {"seats": seats} if seats else {"seat_area_id": SEATED, "quantity": 1}
        headers = {"Idempotency-Key": key} if key else None
        return await self.app.post("/orders", body | more, user=user, headers=headers)

    async def change(self, promo_code_id: str, user: UUID | None = None, **change: Any) -> Answer:
        path = f"/promo-codes/{promo_code_id}"
        return await self.app.call("PATCH", path, change, user=user or self.organizer)

    async def uses(self) -> list[int]:
        listed = await self.app.get(self.path, user=self.organizer)
        return [code["uses"] for code in listed.json["promo_codes"]]
