"""What booking asks of catalog and identity: kept for a moment, asked once for many, bounded."""
