"""What operators ask: the audit, dead letters, the replay of events, the trace of a request."""
