"""The command line: arguments, options and messages. The work of each command is in another package."""
