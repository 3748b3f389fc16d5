"""The command line: arguments and messages. The work of a command is done elsewhere."""
