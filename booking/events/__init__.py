"""What booking publishes: the types (published.py), their schemas (schemas.py, stored/), the order's history.

An event is written with its effect, in one transaction (store.py); chassis.events brings it out.
"""
