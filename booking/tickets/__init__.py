"""Tickets: issued with a signed code, shown to their owner, printed, transferred.

codes.py signs and verifies codes (Ed25519). issuing.py makes new tickets for payments and transfers.
showing.py draws QR codes and pages in separate lanes, so that a page never delays a QR code. transfers.py
gives a ticket to another account.

Owns the tables tickets, ticket_transfers, recipient_misses and signing_keys. Does not import orders and
payments.
"""
