"""The events that notification consumes. Import nothing else of notification."""

SUBSCRIBES_TO = (
    "stampede.order.created.v1",
    "stampede.order.paid.v1",
    "stampede.order.cancelled.v1",
    "stampede.payment.refunded.v1",
    "stampede.order.completed.v1",  # for organizers' webhooks
    "stampede.order.refunded.v1",
    "stampede.refund.requested.v1",
    "stampede.refund.approved.v1",
    "stampede.refund.rejected.v1",
    "stampede.refund.succeeded.v1",
    "stampede.ticket.transferred.v1",
    "stampede.refund.failed.v1",
    "stampede.password.reset_asked.v1",
    "stampede.password.changed.v1",
)
