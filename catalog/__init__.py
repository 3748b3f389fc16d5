"""Venues, shows, sessions, seat plans, prices and search; availability, from booking's events."""
