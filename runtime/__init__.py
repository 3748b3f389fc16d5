"""How the house is put together and run, under the command line: which services a process has (compose),
what a machine starts (starting, supervisor), the web server (serving, web), the worker, the embedded
PostgreSQL and Valkey, the demo, and the operators' tools (operations).

Only stampede/ and loadtest/ call it. No service knows it.
"""
