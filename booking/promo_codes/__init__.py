"""Promo codes: organizers create and change them, orders use them.

guessing.py limits wrong guesses by account and address. Uses are counted in the order's own transaction.
Owns the tables promo_codes, promo_redemptions, promo_tallies and promo_misses.
"""
