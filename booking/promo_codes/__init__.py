"""Promo codes: made and changed by organizers, found and counted when an order is placed.

guessing.py bounds wrong guesses by account and address. Uses are counted in the order's own transaction.
Owns the tables promo_codes, promo_redemptions, promo_tallies and promo_misses.
"""
