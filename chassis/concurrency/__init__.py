"""Work beside other work: rounds, growing waits, bounded caches, calls put together, threads, locks by key.

Each is bounded in number and in time, and says Overloaded when it is full.
"""
