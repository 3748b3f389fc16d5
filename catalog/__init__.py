"""Venues, shows, sessions, seat plans, prices, search; availability as booking tells it."""
