"""Booking's events: their types (published.py), schemas (schemas.py, stored/), and the order's history.

An event is written in the transaction of its change (store.py); chassis.events publishes it. All events of an
order that was placed or sold are one row of the outbox (unfolding.py).
"""
