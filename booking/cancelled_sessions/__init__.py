"""Sessions that their organizer cancels: closed at once, everybody refunded in full by the worker.

A worker that dies anywhere goes on where it was. Owns the table session_cancellations.
"""
