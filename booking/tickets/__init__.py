"""Tickets: issued with a signed code, shown to their owner, printed, passed on.

codes.py signs and checks (Ed25519), issuing.py makes new ones for whoever sells, showing.py draws them in
lanes of their own so that a page never delays a QR code, transfers.py passes one to another account.

Owns the tables tickets, ticket_transfers, recipient_misses and signing_keys. Knows nothing of orders and
payments.
"""
