"""Redis and Valkey: scripts loaded from .lua files, commands sent in one pipeline by all callers."""
