"""The command line: arguments and sentences. What a command does is elsewhere."""
