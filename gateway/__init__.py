"""The edge: request ids, rate limits, admission, access tokens, routing, and the storefront's
files."""
