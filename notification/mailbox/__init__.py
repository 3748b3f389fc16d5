"""The local mailbox for development and demos: stores messages instead of sending them, and shows them."""
