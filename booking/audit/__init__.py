"""The invariants of booking's data, each a query that finds what breaks it; `stampede audit` runs them."""
