"""Addresses of other people, as far as whoever deals with them may read them."""


def masked(email: str) -> str:
    """`anna@example.com` → `a***@example.com`: known to who knows them, of no use to anybody else."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}"
