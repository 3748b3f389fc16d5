"""Paying an order, and what providers say of it.

The intent is committed before the provider is asked; its result takes effect once, whichever way it comes:
the answer to the call (paying.py), a callback (callbacks.py) or the reconciler (reconciliation.py).
decision.py says what a result does, outcomes.py does it, batched_outcomes.py for many at a time. Money that
comes too late takes free seats again or is refunded. docs/payments-steps.md has what is there after a
death at each step.

Owns the tables payments and provider_events. No transaction is open while a provider is called.
"""
