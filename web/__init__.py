"""Static pages, as files: the gateway serves them (gateway.operations). No Python but this line."""
