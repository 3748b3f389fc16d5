"""`python -m loadtest.old_orders`."""

from loadtest.old_orders.command import main

main()
