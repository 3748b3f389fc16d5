"""Clients of catalog and identity. They cache for seconds, combine concurrent requests, and are bounded."""
