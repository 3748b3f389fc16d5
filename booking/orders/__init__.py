"""Placing, reading, cancelling and ending orders.

An answer 201 means committed in PostgreSQL: the order, its claims on seats, its key and the outbox's row, in
one statement (placing_store.py). Redis is asked first and refuses most (booking.seats). The same
Idempotency-Key of a buyer gives the same order.

An order's row has its items, and tells its events and the beginning of its history (docs/adr/0077). Orders of
before have rows of their own for both, so items are read from placed_items or order_documents, history from
order_history, keys from keys_of_orders.

Owns the tables orders, order_items, order_events, order_keys, seat_claims and user_tallies. Routes, payments,
refunds and cancelled sessions call it.
"""
