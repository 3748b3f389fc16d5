"""What an order and a payment may become, and what a caller is refused with. No I/O."""
