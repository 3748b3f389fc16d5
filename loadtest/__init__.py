"""Load tests: the flash sale, the bench, and the verification after a run."""
