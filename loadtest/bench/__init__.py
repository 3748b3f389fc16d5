"""`stampede bench`: throughput and cost, beside an empty server in the same run."""
