"""A door over a running booking: staff, tickets, scans."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from booking.clients.identity import KnownAccounts
from booking.composition import door_hours
from booking.domain.door import DoorHours
from booking.door.lists import DoorLists
from booking.door.scanning import Door
from chassis.seam.client import ServiceClient
from tests.support.booking import BookingApp


class DoorApp:
    """`staff` works at `session_id`'s door, `organizer` runs the session, `buyer` holds tickets. The
    session begins in an hour, so its door is open."""

    def __init__(self, app: BookingApp) -> None:
        self.app = app
        self.buyer, self.organizer = uuid4(), uuid4()
        self.session_id = self.publish(hours=1)
        app.token(self.organizer, "organizer")
        self.staff = self.make_staff("door@example.com")

    def publish(self, *, hours: float, **changes: Any) -> UUID:
        """A session on sale that begins in so many hours."""
        starts_at = datetime.now(UTC) + timedelta(hours=hours)
        return self.app.neighbours.publish(
            **{"organizer_id": self.organizer, "starts_at": starts_at} | changes
        )

    def make_staff(self, email: str) -> UUID:
        user_id = uuid4()
        self.app.neighbours.roles[user_id] = ["staff"]
        self.app.neighbours.emails[email] = user_id
        self.app.token(user_id, "staff")
        return user_id

    @property
    def hours(self) -> DoorHours:
        return door_hours(self.app.wiring.settings)

    def just_started(self, hours: DoorHours | None = None) -> None:
        """The process that answers scans has been started again: it knows nobody's account."""
        services, accounts = self.app.services, ServiceClient(self.app.wiring.upstreams.identity)
        self.app.rewire(
            door=Door(
                services.pool,
                codes=services.codes,
                buyers=KnownAccounts(accounts),
                hours=hours or self.hours,
            )
        )

    def lists_of(self, page_tickets: int) -> None:
        """Its lists have so many tickets a page."""
        services = self.app.services
        self.app.rewire(
            door_lists=DoorLists(
                services.pool,
                sessions=services.sessions,
                codes=services.codes,
                clock=services.clock,
                hours=self.hours,
                page_tickets=page_tickets,
            )
        )

    async def open(self) -> None:
        answer = await self.assign({"email": "door@example.com"})
        assert answer.status == 201, answer

    async def assign(self, body: Any, session_id: UUID | None = None, **how: Any) -> Any:
        path = f"/sessions/{session_id or self.session_id}/staff"
        return await self.app.post(path, body, **{"user": self.organizer} | how)

    async def tickets(self, *seats: int, session_id: UUID | None = None) -> list[Any]:
        """Bought tickets with their codes."""
        where = session_id or self.session_id
        order = (await self.app.order(self.buyer, where, seats=seats)).json
        paid = (await self.app.pay(self.buyer, order["order_id"])).json["tickets"]
        return [
            (await self.app.get(f"/tickets/{one['ticket_id']}", user=self.buyer)).json
            for one in paid
        ]

    async def scan(self, code: str, *, user: UUID | None = None, key: str = "", **more: Any) -> Any:
        headers = {"Idempotency-Key": key} if key else None
        body = {"code": code, **more}
        return await self.app.post("/check-ins", body, user=user or self.staff, headers=headers)

    async def tell(self, scans: list[Any], *, device: str = "pda-1", **how: Any) -> Any:
        body = {"device": device, "gate": "北门", "scans": scans}
        return await self.app.post("/check-ins/batch", body, **{"user": self.staff} | how)
