"""What orders, payments, refunds and tickets may become (machine.py and a table each), and what a caller is
refused with. No I/O."""
