"""What booking refuses with. Codes are stable (API.md); clients branch on them."""

from collections.abc import Sequence

from chassis.problems import Problem


class SoldOut(Problem):
    """There are not enough seats next to what you asked for left in this area."""

    code, status = "sold-out", 409


class SeatsTaken(Problem):
    """Somebody else has one of these seats."""

    code, status = "seats-taken", 409

    def __init__(self, seats: Sequence[int], detail: str = "") -> None:
        super().__init__(detail, seats=sorted(seats))


class TicketLimitReached(Problem):
    """This would be more tickets than one person may have for this session."""

    code, status = "ticket-limit-reached", 409


class SaleNotOpen(Problem):
    """The sale has not opened yet."""

    code, status = "sale-not-open", 409


class SaleClosed(Problem):
    """The sale is closed."""

    code, status = "sale-closed", 409


class OrderExpired(Problem):
    """The order was not paid in time; its seats are back on sale."""

    code, status = "order-expired", 409


class OrderNotPayable(Problem):
    """The order cannot be paid any more."""

    code, status = "order-not-payable", 409


class OrderNotCancellable(Problem):
    """The order cannot be cancelled any more."""

    code, status = "order-not-cancellable", 409


class PaymentInProgress(Problem):
    """A payment of this order is under way."""

    code, status = "payment-in-progress", 409


class PaymentDeclined(Problem):
    """The payment was declined; the order can still be paid another way."""

    code, status = "payment-declined", 402


class SessionNotPublished(Problem):
    """Publish the session first; until then its plan may change."""

    code, status = "session-not-published", 409


class BadSignature(Problem):
    """No known secret signed this."""

    code, status = "bad-signature", 401


class StaleTimestamp(Problem):
    """The signature is too old, or from the future."""

    code, status = "stale-timestamp", 400


class PaymentMismatch(Problem):
    """Amount or currency are not those of the payment."""

    code, status = "payment-mismatch", 400


class InvalidTicketCode(Problem):
    """No ticket has this code: no key of ours signed it, or not whole."""

    code, status = "invalid-ticket-code", 422


class AlreadyCheckedIn(Problem):
    """Somebody has gone in with this ticket."""

    code, status = "already-checked-in", 409


class TicketVoid(Problem):
    """This ticket opens no door any more."""

    code, status = "ticket-void", 409


class WrongSession(Problem):
    """This ticket is for another session."""

    code, status = "wrong-session", 409


class NotAssigned(Problem):
    """You are not on the door of this session; ask its organizer."""

    code, status = "not-assigned", 403


class NotStaff(Problem):
    """No active account with the role `staff` is called that."""

    code, status = "not-staff", 422


class DoorFull(Problem):
    """This session's door has as many people as it may have."""

    code, status = "door-full", 409
