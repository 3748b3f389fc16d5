"""Tools for operators: the audit, dead letters, replaying events, tracing a request."""
