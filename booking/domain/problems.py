"""Booking's problems. Codes are stable (API.md); clients branch on them."""

from collections.abc import Sequence

from booking.domain.order import CHURN_MAX, CHURN_WITHIN_S
from chassis.problems import Problem, RateLimited


class SoldOut(Problem):
    """Too few seats are left for this order."""

    code, status = "sold-out", 409


class SingleSeatLeft(Problem):
    """These seats would leave a single one that is hard to sell. Please choose them a little differently."""

    code, status = "single-seat-left", 409

    def __init__(self, seats: Sequence[int], detail: str = "") -> None:
        super().__init__(detail, seats=sorted(seats))


class SeatsTaken(Problem):
    """One of these seats is already taken."""

    code, status = "seats-taken", 409

    def __init__(self, seats: Sequence[int], detail: str = "") -> None:
        super().__init__(detail, seats=sorted(seats))


class TicketLimitReached(Problem):
    """This order exceeds the ticket limit per person for this session."""

    code, status = "ticket-limit-reached", 409


class CoolingDown(RateLimited):
    """Too many requests.

    This person cancelled or did not pay too many orders of the session. Retry-After is the whole window;
    the time that is left may be shorter.
    """

    def __init__(self) -> None:
        super().__init__(
            f"You cancelled or did not pay {CHURN_MAX} orders of this session within"
            f" {CHURN_WITHIN_S // 60} minutes. You can order again when these minutes are over.",
            headers={"Retry-After": str(CHURN_WITHIN_S)},
        )


class SaleNotOpen(Problem):
    """The sale has not opened yet."""

    code, status = "sale-not-open", 409


class SaleClosed(Problem):
    """The sale is closed."""

    code, status = "sale-closed", 409


class SalePaused(Problem):
    """The sale is paused. It goes on soon; seats that you hold stay yours."""

    code, status = "sale-paused", 409


class SaleRateLimited(RateLimited):
    """More people order this session than its sale takes in a second.

    An operator has limited the orders a second. It counts all buyers of the session, not this one alone.
    """

    code = "sale-rate-limited"

    def __init__(self, again_in_s: int) -> None:
        super().__init__(headers={"Retry-After": str(again_in_s)})


class PromoCodeUnknown(Problem):
    """This promo code does not exist for this show."""

    code, status = "promo-code-unknown", 422


class PromoCodesTried(RateLimited):
    """Too many requests.

    This person, or their address, tried too many promo codes that do not exist.
    """

    def __init__(self, again_in_s: int) -> None:
        super().__init__(
            f"Too many wrong promo codes. Try again in {again_in_s} s, or order without a code.",
            headers={"Retry-After": str(again_in_s)},
        )


class PromoCodeNotValid(Problem):
    """This promo code is not valid now, or does not apply to this order."""

    code, status = "promo-code-not-valid", 409


class PromoCodeUsedUp(Problem):
    """This promo code has reached its maximum number of uses."""

    code, status = "promo-code-used-up", 409


class PromoCodeLimitReached(Problem):
    """You have used this promo code the maximum number of times."""

    code, status = "promo-code-limit-reached", 409


class PromoCodeTaken(Problem):
    """This show already has this promo code."""

    code, status = "promo-code-taken", 409


class TicketNotTransferable(Problem):
    """This ticket can no longer be transferred."""

    code, status = "ticket-not-transferable", 409


class RecipientUnknown(Problem):
    """No account with this e-mail address can receive the ticket."""

    code, status = "recipient-unknown", 409


class OrderExpired(Problem):
    """The order was not paid in time; its seats are back on sale."""

    code, status = "order-expired", 409


class OrderNotPayable(Problem):
    """The order can no longer be paid."""

    code, status = "order-not-payable", 409


class OrderNotCancellable(Problem):
    """The order can no longer be cancelled."""

    code, status = "order-not-cancellable", 409


class PaymentInProgress(Problem):
    """A payment of this order is in progress."""

    code, status = "payment-in-progress", 409


class PaymentDeclined(Problem):
    """The payment was declined; the order can still be paid another way."""

    code, status = "payment-declined", 402


class SessionNotPublished(Problem):
    """The session is not published yet; its seating plan can still change."""

    code, status = "session-not-published", 409


class BadSignature(Problem):
    """The signature is invalid."""

    code, status = "bad-signature", 401


class StaleTimestamp(Problem):
    """The signature's timestamp is too old, or in the future."""

    code, status = "stale-timestamp", 400


class PaymentMismatch(Problem):
    """The amount or currency does not match the payment."""

    code, status = "payment-mismatch", 400


class OrderNotRefundable(Problem):
    """Only a paid order can be refunded."""

    code, status = "order-not-refundable", 409


class RefundNotAllowed(Problem):
    """The show's refund terms do not allow this refund."""

    code, status = "refund-not-allowed", 409


class RefundAlreadyRequested(Problem):
    """This refund has already been requested."""

    code, status = "refund-already-requested", 409


class RefundAlreadyDecided(Problem):
    """This refund has already been decided."""

    code, status = "refund-already-decided", 409


class RefundNotFailed(Problem):
    """Only a failed refund can be retried."""

    code, status = "refund-not-failed", 409


class SessionOver(Problem):
    """The session is over."""

    code, status = "session-over", 409


class InvalidTicketCode(Problem):
    """The ticket code is invalid."""

    code, status = "invalid-ticket-code", 422


class AlreadyCheckedIn(Problem):
    """This ticket has already been checked in."""

    code, status = "already-checked-in", 409


class TicketVoid(Problem):
    """This ticket is void."""

    code, status = "ticket-void", 409


class WrongSession(Problem):
    """This ticket is for another session."""

    code, status = "wrong-session", 409


class NotAssigned(Problem):
    """You are not assigned to the door of this session; ask its organizer."""

    code, status = "not-assigned", 403


class NotStaff(Problem):
    """No active staff account matches."""

    code, status = "not-staff", 422


class DoorFull(Problem):
    """This session has the maximum number of staff."""

    code, status = "door-full", 409
