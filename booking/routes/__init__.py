"""Booking's routes. Thin: they parse the request, call one use case, and send its answer."""

from booking.routes.changes import CHANGE_ROUTES
from booking.routes.door import DOOR_ROUTES
from booking.routes.orders import ORDER_ROUTES
from booking.routes.payments import PAYMENT_ROUTES
from booking.routes.refunds import REFUND_ROUTES
from booking.routes.reports import REPORT_ROUTES
from booking.routes.seats import ROUTES as SEAT_ROUTES
from booking.routes.tickets import TICKET_ROUTES

ROUTES = [
    *(*ORDER_ROUTES, *PAYMENT_ROUTES, *REFUND_ROUTES),
    *(*TICKET_ROUTES, *SEAT_ROUTES, *CHANGE_ROUTES, *DOOR_ROUTES, *REPORT_ROUTES),
]
