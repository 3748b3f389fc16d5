"""HTTP at the edge: what comes in is checked and bounded; what goes out, with its headers and pieces."""
