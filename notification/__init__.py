"""E-mail and SMS from events; templates; inbox; dead letters."""
