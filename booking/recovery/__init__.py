"""What a failover to a standby that lagged behind has lost, found again where it survived.

    the provider's charges     charges.py ─▶ restoring.py, returning.py
    the provider's refunds     refunds.py
    mails, events in them      messages.py
    the seats in Redis         seats.py

reconciling.py goes through them, in this order, and yields a finding each. By default nothing is written.
PostgreSQL decides here too: a finding is a suspicion until the transaction that acts on it has looked again.
Only the command line calls this room (docs/adr/0054).
"""
