"""Money that goes back: asked for, decided, sent.

rules.py says what may be refunded, granting.py makes it so in one transaction (tickets void, seats free, the
amount owed), sending.py calls the provider under a key that was committed before. So a seat is free and a
ticket void before the money has arrived, and nothing is sent twice (ADR 18, 46).

Owns the tables refunds and refund_items. Routes, cancelled sessions and payments (late money) call it.
"""
