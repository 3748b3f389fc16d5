"""The invariants of booking's data. Each is a query that returns violations; `stampede audit` runs them."""
