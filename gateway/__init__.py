"""The edge: request id, limits, admission, tokens, routing, the storefront."""
