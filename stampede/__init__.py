"""The front door: command line, composition root, embedded servers, demo data."""
