"""HTTP at the edge: checks and bounds requests, completes the headers of answers, and sends them in
pieces."""
