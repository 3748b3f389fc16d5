"""What operators see: log lines with the request id, and metrics."""
