"""Accounts, passwords, logins, tokens, public keys."""
