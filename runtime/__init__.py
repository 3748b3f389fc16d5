"""Builds and runs the platform, below the command line: which services a process contains (compose),
which processes a machine starts (starting, supervisor), the web server (serving, web), the worker,
embedded PostgreSQL and Valkey, the demo, and tools for operators (operations).

Only stampede/ and loadtest/ call it. No service imports it.
"""
