"""Rules for an account's data. Imports only the standard library, msgspec and chassis.problems."""
