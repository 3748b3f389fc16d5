"""Every named query of booking, loaded once."""

from pathlib import Path

from chassis.postgres.pool import load_queries

queries = load_queries(Path(__file__).parent / "sql")
