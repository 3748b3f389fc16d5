"""Booking's routes. They are thin: parse the request, call one use case, send its answer."""

from booking.routes.cancelled_sessions import CANCELLED_SESSION_ROUTES
from booking.routes.door import DOOR_ROUTES
from booking.routes.operations import OPERATION_ROUTES
from booking.routes.orders import ORDER_ROUTES
from booking.routes.payments import PAYMENT_ROUTES
from booking.routes.promo_codes import PROMO_CODE_ROUTES
from booking.routes.refunds import REFUND_ROUTES
from booking.routes.reports import REPORT_ROUTES
from booking.routes.seats import SEAT_ROUTES
from booking.routes.tickets import TICKET_ROUTES
from booking.routes.wall import WALL_ROUTES

ROUTES = [
    *(*ORDER_ROUTES, *PAYMENT_ROUTES, *REFUND_ROUTES, *CANCELLED_SESSION_ROUTES),
    *(*TICKET_ROUTES, *SEAT_ROUTES, *PROMO_CODE_ROUTES, *DOOR_ROUTES, *REPORT_ROUTES),
    *OPERATION_ROUTES,
    *WALL_ROUTES,
]
