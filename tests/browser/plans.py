"""A session in a hall of a test's own: a plan with tables, places for wheelchairs, a restricted view, and
places to stand on another level."""

import secrets
from typing import Any

from tests.browser.sale import ORGANIZER, SmallSale, in_hours
from tests.browser.storefront import PASSWORD

PLAN: dict[str, Any] = {
    "version": 1,
    "name": "小厅",
    "stage": {"kind": "end", "outline": [[-6, -6], [6, -6], [6, -1], [-6, -1]]},
    "focal_point": [0, -1],
    "levels": [{"key": "floor", "name": "一层"}, {"key": "balcony", "name": "二层"}],
    "sections": [
        {
            "key": "stalls",
            "name": "池座",
            "kind": "seated",
            "level": "floor",
            "entrance": "A",
            "view": "视野开阔",
            "blocks": [{"shape": "straight", "at": [0, 3], "rows": 4, "seats": 10}],
            "tables": [
                {"label": "T1", "shape": "round", "at": [-10, 6], "seats": 4, "whole": True}
            ],
            "properties": [
                {"rows": ["1"], "seats": [1], "accessible": True},
                {"rows": ["1"], "seats": [2], "companion_of": 1},
                {"rows": ["4"], "seats": [1, 10], "restricted": True},
            ],
        },
        {
            "key": "back",
            "name": "后区",
            "kind": "standing",
            "level": "balcony",
            "capacity": 40,
            "outline": [[-6, 14], [6, 14], [6, 20], [-6, 20]],
        },
    ],
}
PRICES = [{"section": "stalls", "price": 30000}, {"section": "back", "price": 10000}]


class PlannedSale(SmallSale):
    """`open` puts the session on sale: 44 seats at 300, 40 places to stand at 100."""

    async def open(
        self, *, hours_ago: float = 1.0, strict: bool = False, most: int = 6
    ) -> "PlannedSale":
        """strict: a choice that leaves a single seat alone is refused. most: tickets for one buyer."""
        headers = await self._login(ORGANIZER.email, ORGANIZER.password)
        venue = {"name": "小厅", "city": "上海", "address": "", "time_zone": "Asia/Shanghai"}
        venue_id = (await self._post("/venues", venue, headers))["venue_id"]
        plan = await self._post(f"/venues/{venue_id}/plans", PLAN, headers)
        show = {"title": f"小厅 {secrets.token_hex(4)}", "category": "话剧", "venue_id": venue_id}
        self.show = await self._post("/shows", show, headers)
        session = {
            "starts_at": in_hours(72),
            "sale_opens_at": in_hours(-hours_ago),
            "sale_closes_at": in_hours(48),
            "currency": "CNY",
            "max_tickets_per_user": most,
            "plan_id": plan["plan_id"],
            "prices": PRICES,
            "refuse_single_seats": strict,
        }
        made = await self._post(f"/shows/{self.show['show_id']}/sessions", session, headers)
        self.session_id = made["session_id"]
        await self._post(f"/sessions/{self.session_id}/publish", {}, headers)
        self.seated, self.standing = (area["area_id"] for area in made["seat_areas"])
        return self

    async def take_all_but(self, *kept: tuple[str, int]) -> None:
        """Others take every seat but these (row, number); a row an order, so `most` has to allow it."""
        plan = await self.shop.get(f"/sessions/{self.session_id}/seat-map")
        rows = next(one["rows"] for one in plan["areas"] if one["area_id"] == self.seated)
        for row in rows:
            seats = [
                seat["seat_id"]
                for seat in row["seats"]
                if (seat["row"], seat["number"]) not in kept
            ]
            await self.take(seats)

    async def take(self, seats: list[int]) -> None:
        """Somebody else orders these seats."""
        headers = await self._login(await self.shop.make_account(), PASSWORD)
        await self._post("/orders", {"session_id": self.session_id, "seats": seats}, headers)
