"""Redis and Valkey: scripts from .lua files, and commands of all callers in shared pipelines."""
