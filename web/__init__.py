"""Static pages, as files: the gateway serves them (gateway.pages.operations). No Python but this line."""
