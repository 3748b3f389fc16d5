"""Booking: orders, payments, refunds, tickets and the door.

Each capability is a package with the same file names: wire.py (request and response bodies), store.py with
sql/ (the only place that runs SQL), records.py (rows as structs), and one module a use case. Shared layers:
domain/ (state and arithmetic, no I/O), routes/ (thin), seats/ (Redis), providers/ (payment plug-ins),
clients/ (other services), events/. composition.py builds the objects.

A package imports only packages on lower floors: tests/architecture/test_floors.py has the floors.
"""
