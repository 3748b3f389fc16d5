"""The flash sale, the bench, and the verification after a run."""
