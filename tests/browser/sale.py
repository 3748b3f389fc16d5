"""A small sale of a test's own, made by the demo's organizer over the API."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime.demo.loading import ACCOUNTS
from tests.browser.storefront import PASSWORD, Shop

ORGANIZER, ADMIN = ACCOUNTS.of("organizer"), ACCOUNTS.of("admin")


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


class SmallSale:
    """Three seats in one row at 200, three places to stand at 100; `buy` takes some as somebody else.
    `prices`: the session's categories, fees and taxes."""

    def __init__(self, shop: Shop, **prices: Any) -> None:
        self.shop, self.prices = shop, prices

    async def open(self, *, hours_ago: float = 1.0) -> "SmallSale":
        headers = await self._login(ORGANIZER.email, ORGANIZER.password)
        venue = {"name": "小剧场", "city": "上海", "address": "", "time_zone": "Asia/Shanghai"}
        venue_id = (await self._post("/venues", venue, headers))["venue_id"]
        show = {
            "title": f"小型演出 {secrets.token_hex(4)}",
            "category": "话剧",
            "venue_id": venue_id,
        }
        self.show = await self._post("/shows", show, headers)
        areas = [
            {
                "name": "前排",
                "kind": "seated",
                "price": 20000,
                "rows": [{"label": "1", "seats": 3}],
            },
            {"name": "站席", "kind": "standing", "price": 10000, "capacity": 3},
        ]
        session = {
            "starts_at": in_hours(72),
            "sale_opens_at": in_hours(-hours_ago),
            "sale_closes_at": in_hours(48),
            "currency": "CNY",
            "max_tickets_per_user": 6,
            "areas": areas,
            **self.prices,
        }
        made = await self._post(f"/shows/{self.show['show_id']}/sessions", session, headers)
        self.session_id = made["session_id"]
        await self._post(f"/sessions/{self.session_id}/publish", {}, headers)
        self.seated, self.standing = (area["area_id"] for area in made["seat_areas"])
        return self

    async def buy(self, area_id: str, quantity: int) -> tuple[str, dict[str, str]]:
        """An order that is held: its id, and its owner's headers."""
        headers = await self._login(await self.shop.make_account(), PASSWORD)
        wanted = {"session_id": self.session_id, "seat_area_id": area_id, "quantity": quantity}
        return (await self._post("/orders", wanted, headers))["order_id"], headers

    async def let_go(self, order: tuple[str, dict[str, str]]) -> None:
        await self._post(f"/orders/{order[0]}/cancel", None, order[1])

    async def steer(self, action: str) -> None:
        """`pause` or `resume`, as whoever runs the platform."""
        headers = await self._login(ADMIN.email, ADMIN.password)
        path = f"/operations/sessions/{self.session_id}/{action}"
        await self._post(path, {"reason": "the test wants it"}, headers)

    async def _login(self, email: str, password: str) -> dict[str, str]:
        login = {"email": email, "password": password}
        return {
            "Authorization": f"Bearer {(await self._post('/auth/login', login))['access_token']}"
        }

    async def _post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        answer = await self.shop.page.request.post(
            f"{self.shop.url}/api/v1{path}", data=body, headers=headers
        )
        assert answer.ok, f"{path}: {answer.status} {await answer.text()}"
        return await answer.json()
