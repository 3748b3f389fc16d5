"""The seats in Redis (or Valkey): who is refused is decided here, who gets a seat never.

Redis filters, PostgreSQL decides. `SeatHolds` (holds.py) is what use cases call; its answers are
values (Held, SoldOut, Taken, LimitReached, Repeated), and Redis being away is raised as Unavailable.
PostgreSQL is reached through one protocol (claims.py), which store.py implements.

    holds = SeatHolds(RedisCalls(Servers(url), load_scripts(LUA)), truth)
    answer = await holds.hold_best(...)      # an intent of 10 s
    ... INSERT the order and its claims into PostgreSQL ...
    # committed: nothing more to do; the sweeper moves the intent to the order's own deadline
    # refused:   await holds.correct(session_id, claims); await holds.release(session_id, order_id)
    # paid:      await holds.sell(session_id, order_id)   after the commit
    # cancelled: await holds.release(session_id, order_id) after the commit

release, sell, correct, block and unblock are called after PostgreSQL has committed. When they raise
Unavailable nothing is wrong for good: the sweeper and the reconciliation bring Redis up to date.
"""
