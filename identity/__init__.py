"""Accounts, passwords, logins, access and refresh tokens, and the public keys that verify them."""
