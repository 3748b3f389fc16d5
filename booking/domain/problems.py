"""What booking refuses with. Codes are stable (API.md); clients branch on them."""

from collections.abc import Sequence

from booking.domain.order import CHURN_MAX, CHURN_WITHIN_S
from chassis.problems import Problem, RateLimited


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


class CoolingDown(RateLimited):
    """Too many requests.

    Of this person's orders of the session too many were let go of. Retry-After is the whole window, of
    which less may be left.
    """

    def __init__(self) -> None:
        super().__init__(
            f"You have let go of {CHURN_MAX} orders of this session within {CHURN_WITHIN_S // 60} minutes;"
            " you can order again when these are over.",
            headers={"Retry-After": str(CHURN_WITHIN_S)},
        )


class SaleNotOpen(Problem):
    """The sale has not opened yet."""

    code, status = "sale-not-open", 409


class SaleClosed(Problem):
    """The sale is closed."""

    code, status = "sale-closed", 409


class PromoCodeUnknown(Problem):
    """This show has no such promo code."""

    code, status = "promo-code-unknown", 422


class PromoCodesTried(RateLimited):
    """Too many requests.

    Too many promo codes that the show does not have were tried by this person, or from their address.
    """

    def __init__(self, again_in_s: int) -> None:
        super().__init__(
            f"Too many wrong promo codes; try another one in {again_in_s} s, or order without.",
            headers={"Retry-After": str(again_in_s)},
        )


class PromoCodeNotValid(Problem):
    """This promo code is not valid now, or not for this order."""

    code, status = "promo-code-not-valid", 409


class PromoCodeUsedUp(Problem):
    """This promo code has been used as often as it may be."""

    code, status = "promo-code-used-up", 409


class PromoCodeLimitReached(Problem):
    """You have used this promo code as often as one person may."""

    code, status = "promo-code-limit-reached", 409


class PromoCodeTaken(Problem):
    """The show has this promo code already."""

    code, status = "promo-code-taken", 409


class TicketNotTransferable(Problem):
    """This ticket cannot go to somebody else any more."""

    code, status = "ticket-not-transferable", 409


class RecipientUnknown(Problem):
    """Nobody with this e-mail address can receive the ticket."""

    code, status = "recipient-unknown", 409


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


class OrderNotRefundable(Problem):
    """Only a paid order can be refunded."""

    code, status = "order-not-refundable", 409


class RefundNotAllowed(Problem):
    """The terms of the show do not allow this refund."""

    code, status = "refund-not-allowed", 409


class RefundAlreadyRequested(Problem):
    """A refund of this has been requested already."""

    code, status = "refund-already-requested", 409


class RefundAlreadyDecided(Problem):
    """This refund has been decided already."""

    code, status = "refund-already-decided", 409


class RefundNotFailed(Problem):
    """Only a refund that has failed can be tried again."""

    code, status = "refund-not-failed", 409


class SessionOver(Problem):
    """The session is over."""

    code, status = "session-over", 409


class InvalidTicketCode(Problem):
    """This is not a ticket code: it is forged, or was not read to its end."""

    code, status = "invalid-ticket-code", 422


class AlreadyCheckedIn(Problem):
    """Somebody has gone in with this ticket."""

    code, status = "already-checked-in", 409


class TicketVoid(Problem):
    """This ticket is void."""

    code, status = "ticket-void", 409


class WrongSession(Problem):
    """This ticket is for another session."""

    code, status = "wrong-session", 409


class NotAssigned(Problem):
    """You are not on the door of this session; ask its organizer."""

    code, status = "not-assigned", 403


class NotStaff(Problem):
    """No active staff account matches."""

    code, status = "not-staff", 422


class DoorFull(Problem):
    """This session has the maximum number of staff."""

    code, status = "door-full", 409
