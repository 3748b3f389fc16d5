"""Placing, reading, cancelling and ending orders.

An answer 201 means committed in PostgreSQL: the order, its claims on seats, its history and its events, in
one statement (placing_store.py). Redis is asked first and refuses most (booking.seats). A buyer's
Idempotency-Key is the order's own: the same key gives the same order.

Owns the tables orders, order_items, order_events, seat_claims and user_tallies. Routes, payments, refunds
and cancelled sessions call it.
"""
