"""The programs that are measured, their CPU time, and the bare servers beside them."""
