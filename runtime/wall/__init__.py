"""Tells the wall what this machine counts: one process of those that count together, once a second while
somebody watches, else every ten seconds. Booking adds the machines up (booking.wall)."""
