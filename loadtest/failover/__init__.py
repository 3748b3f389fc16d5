"""The sale that does not stop: clients buy and pay while everything dies in turn (`make failover`).

command     the platform, the clients, the events, the table, the exit code
buyers      what a client does, and what it was told
events      what happens to the platform, one after the other
checking    what was acknowledged, compared with what PostgreSQL has
table       how each event was felt
"""
