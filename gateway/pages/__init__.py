"""What the gateway answers itself: the storefront, the API documentation, health and metrics."""
