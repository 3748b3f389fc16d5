"""The programs that are measured, their CPU time, and the bare servers for comparison."""
