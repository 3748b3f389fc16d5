"""Loads the demo through the platform's public API, as an organizer would.

Safe to call at every start. One read detects a complete demo. An incomplete one (the first start was
interrupted) is completed, and nothing is created twice.
"""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec

from booking.door.administration import put_on_the_door
from chassis.seam.client import ServiceClient
from contracts.identity import BY_EMAIL_PATH, Account, EmailLookup
from identity.administration import AccountExists, accounts_that_open, create_account
from runtime.compose import Platform
from runtime.demo.halls import DemoHall
from runtime.demo.shows import SHOWS, DemoShow, Run, Venue

DEADLINE_S = 20.0  # for a hall of 25,000 seats on a machine that is still starting everything else


class DemoAccount(msgspec.Struct, frozen=True):
    """`password` is no secret: it is printed at every start. So a demo must not be on the internet."""

    role: str
    email: str
    password: str


class DemoAccounts(msgspec.Struct, frozen=True):
    accounts: tuple[DemoAccount, ...]

    def of(self, role: str) -> DemoAccount:
        return next(account for account in self.accounts if account.role == role)


ACCOUNTS = DemoAccounts(
    (
        DemoAccount("customer", "buyer@demo.stampede.example", "buy-2-tickets"),
        DemoAccount("organizer", "organizer@demo.stampede.example", "build-a-hall"),
        DemoAccount("staff", "staff@demo.stampede.example", "mind-the-door"),
        DemoAccount("admin", "admin@demo.stampede.example", "see-everything"),
    )
)


async def load_demo(platform: Platform) -> DemoAccounts:
    """The demo's accounts. Its shows exist when this returns."""
    catalog = ServiceClient(platform.wiring.upstreams.catalog, deadline_s=DEADLINE_S)
    if not await _is_complete(catalog):
        await _create_accounts(platform.wiring.settings.direct_url)
        await _Organizer(catalog, await _log_in(platform)).build_all()
    await _man_the_door(platform)
    return ACCOUNTS


async def accounts_left(database_url: str) -> list[str]:
    """Addresses of demo accounts from an earlier start with the demo."""
    tries = [(account.email, account.password) for account in ACCOUNTS.accounts]
    return await accounts_that_open(database_url, tries)


async def _man_the_door(platform: Platform) -> None:
    """Lets the demo's staff scan at every session, also in a demo that was loaded before doors
    existed."""
    identity = ServiceClient(platform.wiring.upstreams.identity, deadline_s=DEADLINE_S)
    staff = await identity.post(BY_EMAIL_PATH, EmailLookup(ACCOUNTS.of("staff").email), Account)
    await put_on_the_door(platform.wiring.settings.direct_url, staff.user_id)


async def _is_complete(catalog: ServiceClient) -> bool:
    last = SHOWS[-1]
    answer = await catalog.request("GET", f"/api/v1/shows?q={quote(last.title)}&page_size=100")
    return last.title in {show["title"] for show in msgspec.json.decode(answer)["shows"]}


async def _create_accounts(database_url: str) -> None:
    for account in ACCOUNTS.accounts:
        with contextlib.suppress(AccountExists):
            await create_account(
                database_url,
                email=account.email,
                password=account.password,
                role=account.role,
                full_name=f"Demo {account.role}",
                locale="zh",  # like its shows
            )


async def _log_in(platform: Platform) -> str:
    identity = ServiceClient(platform.wiring.upstreams.identity, deadline_s=DEADLINE_S)
    organizer = ACCOUNTS.of("organizer")
    body = {"email": organizer.email, "password": organizer.password}
    login = await identity.post("/api/v1/auth/login", body, dict[str, Any])
    return str(login["access_token"])


class _Organizer:
    """Creates the missing parts of SHOWS, in order."""

    def __init__(self, catalog: ServiceClient, token: str) -> None:
        self._catalog = catalog
        self._headers = [(b"authorization", f"Bearer {token}".encode())]
        self._venue_ids: dict[str, str] = {}
        self._now = datetime.now(UTC).replace(second=0, microsecond=0)

    async def build_all(self) -> None:
        venues = await self._call("GET", "/venues?page_size=100")
        self._venue_ids = {one["name"]: str(one["venue_id"]) for one in venues["venues"]}
        shows = await self._call("GET", "/shows?mine=true&page_size=100")
        show_ids = {one["title"]: one["show_id"] for one in shows["shows"]}
        for show in SHOWS:
            if show.venue.name not in self._venue_ids:
                self._venue_ids[show.venue.name] = await self._create_venue(show.venue)
            if show.title not in show_ids:
                show_ids[show.title] = await self._create_show(show)
            await self._complete_sessions(show, show_ids[show.title])

    async def _create_venue(self, venue: Venue) -> str:
        made = await self._call("POST", "/venues", msgspec.structs.asdict(venue))
        return str(made["venue_id"])

    async def _create_show(self, show: DemoShow) -> str:
        body = {
            "title": show.title,
            "category": show.category,
            "venue_id": self._venue_ids[show.venue.name],
            "description": show.description,
        }
        return str((await self._call("POST", "/shows", body))["show_id"])

    async def _complete_sessions(self, show: DemoShow, show_id: str) -> None:
        """Ids ascend by age, so the n-th session is the n-th run."""
        answer = await self._call("GET", f"/shows/{show_id}/sessions")
        sessions = sorted(answer["sessions"], key=lambda session: str(session["session_id"]))
        hall = show.hall()
        for run in show.runs[len(sessions) :]:
            body = self._session(show, run)
            if isinstance(hall, DemoHall):
                body["plan_id"] = await self._plan(show.venue, hall)
                body["prices"] = hall.prices_at(show.scale)
            else:
                body["areas"] = hall.areas_at(show.scale)
            sessions.append(await self._call("POST", f"/shows/{show_id}/sessions", body))
        for session in sessions:
            if session["status"] == "draft":
                await self._call("POST", f"/sessions/{session['session_id']}/publish")

    def _session(self, show: DemoShow, run: Run) -> dict[str, Any]:
        starts_at = self._start(show.venue, run)
        closes_at = starts_at if run.closes is None else self._now + timedelta(days=run.closes)
        return {
            "starts_at": starts_at,
            "sale_opens_at": self._now + timedelta(days=run.opens),
            "sale_closes_at": closes_at,
            "currency": "CNY",
            "max_tickets_per_user": show.per_user,
            **show.prices,
        }

    async def _plan(self, venue: Venue, hall: DemoHall) -> str:
        """The venue's plan of this name, which it keeps from its first session on."""
        path = f"/venues/{self._venue_ids[venue.name]}/plans"
        plans = (await self._call("GET", f"{path}?page_size=100"))["plans"]
        for plan in plans:
            if plan["name"] == hall.plan.name:
                return str(plan["plan_id"])
        return str((await self._call("POST", path, hall.plan))["plan_id"])

    def _start(self, venue: Venue, run: Run) -> datetime:
        day = (self._now + timedelta(days=run.in_days)).astimezone(ZoneInfo(venue.time_zone))
        hour, minute = run.at.split(":")
        return day.replace(hour=int(hour), minute=int(minute))

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = b"" if body is None else msgspec.json.encode(body)
        answer = await self._catalog.request(method, f"/api/v1{path}", data, self._headers)
        return msgspec.json.decode(answer)
