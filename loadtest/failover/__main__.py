"""`python -m loadtest.failover` is `make failover`."""

from loadtest.failover.command import main

main()
