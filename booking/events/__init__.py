"""Booking's events: their types (published.py), schemas (schemas.py, stored/), and the order's history.

An event is written in the transaction of its change (store.py); chassis.events publishes it.
"""
