"""What an order costs beside old ones: `python -m loadtest.old_orders --old-orders 10000000`.

Starts a PostgreSQL of its own with two databases: an empty one, and one with orders of the last ten
years, their claims and their tallies. Orders are placed in both in turns, after a checkpoint each, by
the statement of a sale. Counted are bytes of the write-ahead log and CPU of the server's process. Then
it reads the orders of somebody who has bought in all the years. Needs PostgreSQL 18 (`uuidv7` of a past
time) and 2 GB for a million orders.
"""
