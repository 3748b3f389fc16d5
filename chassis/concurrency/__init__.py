"""Concurrency: background rounds, growing pauses, bounded caches, batched calls, threads, locks by key.

Each is bounded in number and time, and raises Overloaded when full.
"""
