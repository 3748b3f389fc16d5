"""`python -m loadtest.alerts` is `make alerts`."""

from loadtest.alerts.command import main

main()
