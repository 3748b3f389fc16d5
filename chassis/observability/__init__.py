"""For operators: log lines with the request id, and metrics."""
