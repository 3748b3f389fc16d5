"""Seat holds, orders, payments, tickets."""
