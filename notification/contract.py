"""What notification wants to hear. Import this and nothing else of notification."""

SUBSCRIBES_TO = (
    "stampede.order.created.v1",
    "stampede.order.paid.v1",
    "stampede.order.cancelled.v1",
    "stampede.order.completed.v1",  # these two for organizers' webhooks
    "stampede.order.refunded.v1",
)
