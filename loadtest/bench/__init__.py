"""`stampede bench`: how fast, at what cost, beside what an empty server does in the same run."""
