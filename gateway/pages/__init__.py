"""What the gateway itself answers: the storefront, the API's documents, health and metrics."""
