"""What a session's tickets cost beyond its areas' prices: categories, fees and tax (docs/prices.md).

An organizer writes a sheet (wire.py); it is checked against the session's areas (checks.py), kept beside the
session as it was written (store.py), and read as booking's terms and as what buyers see (reading.py). A
session without a sheet has no row, and costs nothing here. `contracts.prices` has the arithmetic.
"""
