"""PostgreSQL: pools and transactions, named queries from .sql files, migrations, leadership by advisory lock.

Unavailable servers raise chassis.problems.Unavailable. Only stores use it.
"""
