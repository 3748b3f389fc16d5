"""Booking: orders, payments, refunds, tickets and the door.

A package a capability, each with the same words: wire.py (bodies in and out), store.py with sql/ (the only
place that runs SQL), records.py (rows as structs), and a module a use case. Layers that all share: domain/
(state and arithmetic, no I/O), routes/ (thin), seats/ (Redis), providers/ (payment plug-ins), clients/ (other
services), events/. composition.py puts them together.

A package imports only packages on lower floors: tests/architecture/test_floors.py has the floors.
"""
