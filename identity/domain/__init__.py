"""What an account's data must be like. Imports the standard library, msgspec and chassis.problems."""
