"""Concurrency: growing pauses, bounded caches, batched calls, threads, and locks by key.

Each is bounded in number and time, and raises Overloaded when full.
"""
