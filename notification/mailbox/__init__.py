"""The mailbox of development and the demo: messages that go nowhere else, and pages that show them."""
