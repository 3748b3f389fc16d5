"""What a buyer does on the storefront, and what a test sees of it."""

import re
import secrets
from typing import Any
from urllib.parse import quote

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from runtime.demo.loading import ACCOUNTS

PASSWORD = "correct horse battery staple"
BUYER = ACCOUNTS.of("customer")
FLAGSHIP = "周杰伦"

# Chromium logs every answer from 400 on; a refusal that the page handles is no mistake of the page.
_REFUSAL = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`CSP: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`));"""


class Watch:
    """Collects script errors, console errors and violations of the content security policy."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.refusals_expected = False

    async def attach(self, context: BrowserContext) -> None:
        await context.add_init_script(_VIOLATIONS)
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.found.append(str(error.error)))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if self.refusals_expected and _REFUSAL.match(message.text):
            return
        self.found.append(f"{message.type}: {message.text} {message.location.get('url', '')}")


class Shop:
    """The storefront in one page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url

    async def open(self, path: str) -> None:
        """Goes to a path of the storefront and waits until the page is drawn."""
        await self.page.goto(f"{self.url}/#{path}")
        drawn = f'main[data-path="{path}"]:not([aria-busy]) h1'
        await expect(self.page.locator(drawn)).to_be_visible()

    async def get(self, path: str) -> Any:
        """The API's answer to anybody, as the page would get it."""
        answer = await self.page.request.get(f"{self.url}/api/v1{path}")
        assert answer.ok, f"{path}: {answer.status}"
        return await answer.json()

    async def flagship(self) -> Any:
        """The demo's big show, with its sessions."""
        found = (await self.get(f"/shows?q={quote(FLAGSHIP)}"))["shows"]
        return await self.get(f"/shows/{found[0]['show_id']}")

    async def session_on_sale(self) -> Any:
        show = await self.flagship()
        return next(one for one in show["sessions"] if one["status"] == "on_sale")

    async def make_account(self) -> str:
        """A new account with PASSWORD, nobody logged in. Returns its e-mail address."""
        email = f"visitor-{secrets.token_hex(6)}@example.com"
        body = {"email": email, "password": PASSWORD, "full_name": "林小满"}
        answer = await self.page.request.post(f"{self.url}/api/v1/auth/register", data=body)
        assert answer.status == 201, await answer.text()
        return email

    async def register(self) -> str:
        """A new account by the form; logged in afterwards. Returns its e-mail address."""
        email = f"visitor-{secrets.token_hex(6)}@example.com"
        await self.open("/register")
        await self.page.fill("#field-full_name", "林小满")
        await self.page.fill("#field-email", email)
        await self.page.fill("#field-password", PASSWORD)
        await self.page.click(".account-form button[type=submit]")
        await expect(self.page.locator(".account-form")).to_have_count(0)
        return email

    async def order_best(self, session_id: str, quantity: int = 2) -> None:
        """As somebody logged in: best available in the area proposed; ends on the order's page."""
        await self.open(f"/sessions/{session_id}")
        number = self.page.locator(".stepper-number")
        steps = quantity - int(await number.inner_text())
        for _ in range(abs(steps)):
            await self.page.click(f".stepper-button:{'last' if steps > 0 else 'first'}-of-type")
        await self.page.click(".panel-foot .button")
        await expect(self.page.locator(".payment")).to_be_visible()

    async def pay(self, token: str) -> None:
        await self.page.check(f'input[value="{token}"]', force=True)
        await self.page.click(".payment button[type=submit]")

    @property
    def message(self) -> Locator:
        return self.page.locator(".notice.bad:visible")


class HallOnScreen:
    """The seat map: where each seat is drawn, and which seats are free."""

    def __init__(self, shop: Shop, session_id: str) -> None:
        self.shop, self.session_id = shop, session_id
        self.canvas = shop.page.locator("canvas.map-canvas")

    async def load(self) -> None:
        plan = await self.shop.get(f"/sessions/{self.session_id}/seat-map")
        self.hall = await self.shop.get(f"/sessions/{self.session_id}/hall")
        marks = (await self.shop.get(f"/sessions/{self.session_id}/seats"))["seats"]
        self.areas = [one for one in plan["areas"] if one["kind"] == "seated"]
        self.seats = [s for area in plan["areas"] for row in area["rows"] for s in row["seats"]]
        assert len(self.seats) == len(marks)
        self.free = {
            seat["seat_id"] for seat, mark in zip(self.seats, marks, strict=True) if mark == "."
        }

    async def drawn(self) -> dict[str, float]:
        """Where the plan is on the canvas, once all of it is drawn: pixels = units · scale + x, y."""
        await self.shop.page.locator('canvas.map-canvas[data-done="true"]').wait_for()
        data = await self.canvas.evaluate("e => ({...e.dataset})")
        return {name: float(data[name]) for name in ("scale", "x", "y")}

    async def _click_plan(self, x: float, y: float) -> None:
        view = await self.drawn()
        position = {"x": x * view["scale"] + view["x"], "y": y * view["scale"] + view["y"]}
        await self.canvas.click(position=position)  # type: ignore[arg-type]

    async def enter(self, area: Any) -> None:
        """Taps an area from afar and waits until its seats are large enough to tap."""
        before = (await self.drawn())["scale"]
        x, y = next(
            one["label_at"] for one in self.hall["areas"] if one["area_id"] == area["area_id"]
        )
        await self._click_plan(x, y)
        await self.shop.page.wait_for_function(
            "before => document.querySelector('.map-canvas').dataset.scale > Math.max(before, 13)",
            arg=before,
        )

    async def click_seat(self, seat: Any) -> None:
        await self._click_plan(*self.centre(seat))

    def centre(self, seat: Any) -> tuple[float, float]:
        """In the hall: the seat map has corners, counted from the corner of the hall's bounds."""
        left, top = self.hall["bounds"][:2]
        return seat["x"] + 0.5 + left, seat["y"] + 0.5 + top

    async def free_in_sight(self, area: Any) -> list[Any]:
        """Free seats of an area that are well inside the picture, and under nothing that lies over it."""
        view = await self.drawn()
        box = await self.canvas.bounding_box()
        assert box is not None

        def is_clear(seat: Any) -> bool:
            x, y = (
                at * view["scale"] + view[axis]
                for axis, at in zip("xy", self.centre(seat), strict=True)
            )
            return 60 < x < box["width"] - 200 and 60 < y < box["height"] - 90

        return [
            seat
            for row in area["rows"]
            for seat in row["seats"]
            if seat["seat_id"] in self.free and is_clear(seat)
        ]
